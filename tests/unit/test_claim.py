"""One owner of a folder at a time; a dead owner's right ends with it."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE

import pytest

from merging.engine import claim as module
from merging.engine.claim import JOURNAL, LOCK, MODEL, Claim
from merging.errors import MergeError, ResourceError, SourceError

PROJECT = Path(__file__).resolve().parents[2]
HOLD = """
import sys
from pathlib import Path
from merging.engine.claim import Claim
claim = Claim(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_a_claim_makes_one_hidden_folder_and_removes_it(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "deep" / "er" / "out")
    assert tree(tmp_path) == [
        "deep", "deep/er", "deep/er/.out.merging",
        f"deep/er/.out.merging/{LOCK}", f"deep/er/.out.merging/{MODEL}",
    ]  # fmt: skip
    assert int((claim.work / LOCK).read_text()) == os.getpid()
    claim.release()
    claim.release()
    assert tree(tmp_path) == []


def test_a_second_claim_in_the_same_process_is_refused(tmp_path: Path) -> None:
    first = Claim(tmp_path / "out")
    before = tree(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "out")
    for other in (tmp_path / "out", tmp_path / "x" / ".." / "out", tmp_path / "link"):
        with pytest.raises(SourceError, match=rf"Another merge \(process {os.getpid()}\) is writ"):
            Claim(other)
    (tmp_path / "link").unlink()
    assert tree(tmp_path) == before
    first.release()
    Claim(tmp_path / "out").release()
    assert tree(tmp_path) == []


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", HOLD, str(out)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, cwd=PROJECT) as owner:
        assert owner.stdout is not None and owner.stdout.readline() == b"held\n"
        with pytest.raises(SourceError, match=rf"\(process {owner.pid}\).*choose another --out"):
            Claim(out)
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert tree(tmp_path) == [".out.merging", f".out.merging/{LOCK}", f".out.merging/{MODEL}"]
    Claim(out).release()
    assert tree(tmp_path) == []


def test_a_lock_file_that_is_no_longer_there_is_worth_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last owner deletes it between our opening and our locking."""
    real, seen = module._lock, []

    def late(path: Path) -> int:
        descriptor = real(path)
        seen.append(descriptor)
        if len(seen) < 3:
            path.unlink()
        if len(seen) == 1:
            path.parent.rmdir()
        return descriptor

    monkeypatch.setattr(module, "_lock", late)
    claim = Claim(tmp_path / "out")
    assert len(seen) == 3
    with pytest.raises(SourceError, match="Another merge"):
        Claim(tmp_path / "out")
    claim.release()
    assert tree(tmp_path) == []


def test_many_who_come_and_go_are_never_two(tmp_path: Path) -> None:
    inside: list[int] = []
    held: list[int] = []
    wrong: list[object] = []

    def come_and_go(number: int) -> None:
        for _ in range(150):
            try:
                claim = Claim(tmp_path / "a" / "out")
            except SourceError:
                continue
            inside.append(number)
            (claim.model / "file").write_text(str(number))
            if inside != [number] or (claim.model / "file").read_text() != str(number):
                wrong.append((number, list(inside)))
            claim.keep_only()
            inside.remove(number)
            held.append(number)
            claim.release()

    threads = [threading.Thread(target=come_and_go, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert len(held) >= 4
    assert tree(tmp_path) in ([], ["a"])  # who made it may have been refused while it was in use


def test_the_target_must_be_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    before = tree(tmp_path)
    for name in ("full", "file"):
        with pytest.raises(SourceError, match=rf"{name}' exists already\. Choose another --out"):
            Claim(tmp_path / name)
    with pytest.raises(SourceError, match="'/' exists already"):
        Claim(Path("/"))
    Claim(tmp_path / "empty").release()
    monkeypatch.setattr(os.path, "ismount", lambda path: True)
    with pytest.raises(SourceError, match=r"is a mount point.*Choose a folder inside"):
        Claim(tmp_path / "empty")
    assert tree(tmp_path) == before


def test_a_target_taken_while_we_came_leaves_a_dead_owners_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim(tmp_path / "out")
    (claim.model / "shard").touch()
    claim.release()
    real = module._lock

    def slow(path: Path) -> int:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "x").touch()
        return real(path)

    monkeypatch.setattr(module, "_lock", slow)
    with pytest.raises(SourceError, match="exists already"):
        Claim(tmp_path / "out")
    assert tree(tmp_path) == [
        ".out.merging", f".out.merging/{MODEL}", f".out.merging/{MODEL}/shard", "out", "out/x",
    ]  # fmt: skip


def test_a_folder_that_is_not_ours_is_not_emptied(tmp_path: Path) -> None:
    work = tmp_path / ".out.merging"
    work.mkdir()
    (work / "thesis.txt").write_text("mine")
    with pytest.raises(SourceError, match=r"'thesis\.txt' there is not of a merge\. Move it away"):
        Claim(tmp_path / "out")
    assert (work / "thesis.txt").read_text() == "mine"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".link.merging").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".file.merging").touch()
    for name in ("link", "file"):
        with pytest.raises(SourceError, match=rf"'\.{name}\.merging' there is not of a merge"):
            Claim(tmp_path / name)
    assert tree(tmp_path) == [
        ".file.merging", ".link.merging", ".out.merging", ".out.merging/thesis.txt", "elsewhere",
    ]  # fmt: skip


def test_keep_only(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "out")
    for path in (claim.work / JOURNAL, claim.work / "a.partial", claim.model / "a"):
        path.touch()
    (claim.model / JOURNAL).touch()
    (claim.model / "sub").mkdir()
    (claim.model / "sub" / "b").touch()
    claim.keep_only(claim.work / JOURNAL, claim.model / "a")
    assert tree(claim.work) == [JOURNAL, LOCK, MODEL, f"{MODEL}/a"]
    claim.keep_only()
    assert tree(claim.work) == [LOCK, MODEL]
    claim.release()


@pytest.mark.parametrize("empty_target", [False, True])
def test_deliver_renames_with_modes_whatever_the_umask(tmp_path: Path, empty_target: bool) -> None:
    if empty_target:
        (tmp_path / "out").mkdir(0o700)
    mask = os.umask(0o077)
    try:
        claim = Claim(tmp_path / "out")
        (claim.model / "a").touch()
        claim.deliver()
        claim.release()
    finally:
        os.umask(mask)
    assert tree(tmp_path) == ["out", "out/a"]
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o755


def test_without_flock_the_files_existence_is_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    claim = Claim(tmp_path / "out")
    lock = claim.work / LOCK
    with pytest.raises(SourceError, match=rf"process {os.getpid()}.*any more, delete '{lock}'"):
        Claim(tmp_path / "out")
    claim.release()
    assert tree(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "kind", "text"),
    [
        (errno.ENOSPC, ResourceError, "disk is full"),
        (errno.EDQUOT, ResourceError, "disk is full"),
        (errno.EROFS, SourceError, "Read-only file system. Choose another"),
    ],
)
@pytest.mark.parametrize("step", ["mkdir", "open"])
def test_what_the_system_refuses_is_told_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    kind: type[MergeError],
    text: str,
    step: str,
) -> None:
    real = {"mkdir": os.mkdir, "open": os.open}[step]
    wanted = {"mkdir": MODEL, "open": LOCK}[step]

    def refuse(path: str, *args: object, **more: object) -> object:
        if os.path.basename(path) == wanted:
            raise OSError(number, os.strerror(number))
        return real(path, *args, **more)  # type: ignore[operator]

    with monkeypatch.context() as patch:
        patch.setattr(os, step, refuse)
        with pytest.raises(kind, match=text):
            Claim(tmp_path / "deep" / "out")
    assert tree(tmp_path) == []

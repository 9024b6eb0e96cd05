"""What was merged is kept for a while, within bounds, and fetched by who knows its address."""

import zipfile
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from merging.errors import Cancelled
from merging.recipe import make_recipe
from ui.own import outputs as module
from ui.own.downloads import address, download_route
from ui.own.outputs import Output, Outputs, pack

RECIPE = make_recipe("linear", ["a"])


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Outputs:
    return Outputs(tmp_path, clock)


def made(kept: Outputs, owner: str, size: int = 10) -> Output:
    token, place = kept.place()
    folder = place / "merged"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "x.bin").write_bytes(bytes(range(10)) * (size // 10))
    pack(folder, lambda share, word: None)
    return kept.put(token, owner, folder, RECIPE, ("done",))


def test_the_archive_holds_the_folder_as_it_is(kept: Outputs) -> None:
    output = made(kept, "me", 1000)
    with zipfile.ZipFile(output.archive) as packed:
        (entry,) = packed.infolist()
        assert entry.filename == "merged/deep/x.bin"
        assert entry.compress_type == zipfile.ZIP_STORED
        assert packed.read(entry) == bytes(range(10)) * 100
    assert output.size > 2000


def test_an_hour_later_it_is_gone(kept: Outputs, clock: Clock, tmp_path: Path) -> None:
    output = made(kept, "me")
    clock.now = module.SECONDS - 1
    assert kept.latest("me") == output and kept.get(output.token) == output
    clock.now = module.SECONDS
    assert kept.latest("me") is None and kept.get(output.token) is None
    assert list(tmp_path.iterdir()) == []


def test_a_visitor_keeps_two_and_all_visitors_so_many(kept: Outputs, tmp_path: Path) -> None:
    mine = [made(kept, "me") for _ in range(3)]
    assert [kept.get(o.token) is None for o in mine] == [True, False, False]
    others = [made(kept, f"other {i}") for i in range(module.MOST_KEPT - 1)]
    assert [kept.get(o.token) is None for o in mine] == [True, True, False]
    assert all(kept.get(o.token) for o in others)
    assert len(list(tmp_path.iterdir())) == module.MOST_KEPT


def test_all_together_have_so_many_bytes(kept: Outputs, monkeypatch) -> None:
    first = made(kept, "a", 1000)
    monkeypatch.setattr(module, "MOST_BYTES", first.size * 2)
    second, third = made(kept, "b", 1000), made(kept, "c", 1000)
    assert kept.get(first.token) is None
    assert kept.get(second.token) and kept.get(third.token)
    alone = made(kept, "d", 10_000)  # larger than all that may be kept: the newest stays
    assert kept.get(alone.token) and kept.get(third.token) is None


def test_packing_can_be_cancelled(tmp_path: Path) -> None:
    folder = tmp_path / "merged"
    folder.mkdir()
    (folder / "x").write_bytes(b"x")

    def stop(share: float, word: str) -> None:
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        pack(folder, stop)


def test_it_is_fetched_whole_or_in_parts_by_its_address_alone(kept: Outputs) -> None:
    output = made(kept, "me", 1000)
    client = TestClient(Starlette(routes=[download_route(kept)]))
    whole = client.get(f"/{address(output)}")
    assert whole.content == output.archive.read_bytes()
    assert "attachment" in whole.headers["content-disposition"]
    assert whole.headers["cache-control"] == "private, no-store"
    some = client.get(f"/{address(output)}", headers={"range": "bytes=5-9"})
    assert some.status_code == 206 and some.content == whole.content[5:10]
    for token in ("x" * 32, "..", "%2e%2e", "ä", output.token[:-1]):
        assert client.get(f"/merge-explorer/merged/{token}/merged.zip").status_code == 404

const IDLE = { state: 'idle', text: '', fraction: 0 };
let told = '';

function announce(value) {
  const now = value.state === 'done' ? value.text : value.state;
  if (now === told) return;
  told = now;
  element.querySelector('.me-job-said').textContent = value.text;
}

function draw() {
  const value = valueNow() ?? IDLE;
  const track = element.querySelector('.me-job-track');
  if (!track) return;
  const share = Math.round(100 * value.fraction);
  track.hidden = !['queued', 'running'].includes(value.state);
  track.setAttribute('aria-valuenow', String(share));
  track.setAttribute('aria-valuetext', value.text);
  track.firstElementChild.style.width = `${share}%`;
  element.querySelector('.me-job-text').textContent = value.text;
  element.querySelector('.me-job').dataset.state = value.state;
  announce(value);
}

onValue(draw);
draw();

let heard = null;
let parsed = null;

function valueNow() {
  if (props.value !== heard) {
    heard = props.value;
    parsed = heard ? JSON.parse(heard) : null;
  }
  return parsed;
}

// Values come from Gradio, or by name from the answer to a question of our own (ticks.js).
function onValue(draw) {
  watch('value', draw);
  document.addEventListener('me-board', ({ detail }) => {
    if (!element.isConnected || !props.panel || !Object.hasOwn(detail, props.panel)) return;
    props.value = detail[props.panel];
    draw();
  });
}

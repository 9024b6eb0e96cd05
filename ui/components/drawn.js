let heard = null;
let parsed = null;

function valueNow() {
  if (props.value !== heard) {
    heard = props.value;
    parsed = heard ? JSON.parse(heard) : null;
  }
  return parsed;
}

// A number typed beyond a slider's end is moved back by Gradio without a word and without telling
// the server. Here it is said beside the slider, and the server hears of the number that counts.
const NUMBER = '.me-recipe .block input[type=number][min][max]';
const SLIDER = '.me-recipe .block input:is([type=number], [type=range])';
const setValue = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;

function sayBeside(input, text) {
  const block = input.closest('.block');
  block.querySelector('.me-typed')?.remove();
  if (!text) return;
  const line = document.createElement('p');
  line.className = 'me-typed';
  line.setAttribute('role', 'status');
  line.textContent = text;
  block.append(line);
}

function replaceBy(input, number, text) {
  setValue.call(input, String(number));
  input.dispatchEvent(new Event('input', { bubbles: true }));
  sayBeside(input, text);
}

function settle(input) {
  const typed = input.valueAsNumber;
  const [low, high] = [Number(input.min), Number(input.max)];
  if (Number.isNaN(typed)) {
    const before = input.dataset.before ?? low;
    replaceBy(input, before, `A number is needed here. Back to ${before}.`);
  } else if (typed < low || typed > high) {
    const end = typed < low ? low : high;
    replaceBy(input, end, `This slider goes from ${low} to ${high}: ${typed} became ${end}.`);
  }
}

document.addEventListener('focusin', ({ target }) => {
  if (target.matches(NUMBER) && !Number.isNaN(target.valueAsNumber)) {
    target.dataset.before = target.value;
  }
});
document.addEventListener('input', ({ target }) => {
  if (target.matches(SLIDER)) sayBeside(target, '');
});
document.addEventListener('blur', ({ target }) => {
  if (target.matches?.(NUMBER)) settle(target);
}, true);

// A number typed beyond a slider's end does not count, which is said beside the slider: nobody else
// hears of it. Whoever leaves the field or presses Enter gets the nearest number that does.
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

function read(input) {
  const typed = input.valueAsNumber;
  const [low, high] = [Number(input.min), Number(input.max)];
  return { typed, low, high, beyond: typed < low || typed > high };
}

function settle(input) {
  const { typed, low, high, beyond } = read(input);
  if (Number.isNaN(typed)) {
    const before = input.dataset.before ?? low;
    replaceBy(input, before, `A number is needed here. Back to ${before}.`);
  } else if (beyond) {
    const end = typed < low ? low : high;
    replaceBy(input, end, `This slider goes from ${low} to ${high}: ${typed} became ${end}.`);
  }
}

function complaint(input) {
  const { typed, low, high, beyond } = read(input);
  if (Number.isNaN(typed)) return 'A number is needed here.';
  return beyond ? `${typed} does not count: this slider goes from ${low} to ${high}.` : '';
}

document.addEventListener('focusin', ({ target }) => {
  if (target.matches(NUMBER) && !Number.isNaN(target.valueAsNumber)) {
    target.dataset.before = target.value;
  }
});
document.addEventListener('input', (event) => {
  const { target } = event;
  if (!target.matches(SLIDER)) return;
  const wrong = target.matches(NUMBER) ? complaint(target) : '';
  sayBeside(target, wrong);
  if (wrong) target.setAttribute('aria-invalid', 'true');
  else target.closest('.block').querySelectorAll('input').forEach((i) => i.removeAttribute('aria-invalid'));
  if (wrong) event.stopImmediatePropagation();
}, true);
document.addEventListener('keydown', ({ key, target }) => {
  if (key === 'Enter' && target.matches?.(NUMBER)) settle(target);
});
document.addEventListener('blur', ({ target }) => {
  if (target.matches?.(NUMBER)) settle(target);
}, true);

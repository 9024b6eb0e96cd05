// A chart's value made ready for plotly: colours of the theme, texts that are no markup. Needs
// themeValue, which looks a colour up.
const TEMPLATES = new Set(['hovertemplate', 'texttemplate']);

function readyText(text, key) {
  const themed = text.replace(/var\((--me-[\w-]+)\)/g, (_, name) => themeValue(name));
  if (TEMPLATES.has(key)) return themed;
  return themed.replaceAll('<', '&lt;').replaceAll('\n', '<br>'); // the only markup is ours
}

function ready(node, key = '') {
  if (typeof node === 'string') return readyText(node, key);
  if (Array.isArray(node)) return node.map((item) => ready(item, key));
  if (node === null || typeof node !== 'object') return node;
  return Object.fromEntries(Object.entries(node).map(([k, v]) => [k, ready(v, k)]));
}

function moved(data, restyle) {
  const made = structuredClone(data);
  restyle.forEach(({ trace, update }) => {
    Object.entries(update).forEach(([path, to]) => {
      const names = path.split('.');
      const last = names.pop();
      names.reduce((node, name) => (node[name] ??= {}), made[trace])[last] = to;
    });
  });
  return made;
}

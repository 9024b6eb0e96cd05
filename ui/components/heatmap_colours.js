const RAMPS = {
  light: [
    [237, 244, 246], [190, 217, 223], [124, 175, 187], [58, 126, 142], [14, 82, 97], [4, 44, 54],
  ],
  dark: [
    [35, 43, 51], [28, 67, 77], [32, 100, 113], [66, 143, 156], [124, 190, 201], [200, 240, 246],
  ],
};
const MIDDLES = { light: [241, 243, 245], dark: [42, 49, 58] };
const INKS = { dark: '#000000', light: '#ffffff' };

function shadeOf(share, ramp) {
  const place = Math.max(0, Math.min(1, share)) * (ramp.length - 1);
  const from = Math.min(ramp.length - 2, Math.floor(place));
  return ramp[from].map((start, i) => (
    Math.round(start + (ramp[from + 1][i] - start) * (place - from))
  ));
}

function luminance(colour) {
  const [r, g, b] = colour.map((part8) => {
    const s = part8 / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const inkOn = (colour) => (luminance(colour) > 0.179 ? INKS.dark : INKS.light);
const fromHex = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));

function paletteNow(side) {
  const read = themeValue;
  const theme = document.body.classList.contains('dark') ? 'dark' : 'light';
  const diverging = [fromHex(read('--me-minus')), MIDDLES[theme], fromHex(read('--me-plus'))];
  return {
    ink: read('--me-ink'), soft: read('--me-soft'), line: read('--me-line'),
    panel: read('--me-panel'), accent: read('--me-accent'), font: `12px ${read('--me-font')}`,
    ramp: side === 'difference' ? diverging : RAMPS[theme],
  };
}

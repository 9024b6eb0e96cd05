const IMAGE_SCALE = 2;

function saveBlob(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function saveTable(value) {
  saveBlob(new Blob([`${csvOf(tableOf(value))}\r\n`], { type: 'text/csv' }), 'conflict.csv');
}

function savePicture(picture, at, palette) {
  const canvas = document.createElement('canvas');
  canvas.width = Math.round(at.width * IMAGE_SCALE);
  canvas.height = Math.round(at.height * IMAGE_SCALE);
  const ctx = canvas.getContext('2d');
  ctx.scale(IMAGE_SCALE, IMAGE_SCALE);
  ctx.fillStyle = palette.panel;
  ctx.fillRect(0, 0, at.width, at.height);
  prepare(ctx, palette);
  paint(ctx, picture, at, palette);
  canvas.toBlob((blob) => saveBlob(blob, 'conflict.png'), 'image/png');
}

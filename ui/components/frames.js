// Gradio's loading sign counts its seconds in every frame, and goes on when the sign has left the page
// (gradio 6.31, statustracker): sixty frames a second for as long as the page is open. That count is
// not asked for again once the page is there.
{
  const nextFrame = window.requestAnimationFrame.bind(window);
  const COUNT = /^\(\)=>\{.{0,20}\(performance\.now\(\)-.{0,20}\/1e3\)/;

  window.requestAnimationFrame = (call) => {
    const counting = COUNT.test(Function.prototype.toString.call(call).slice(0, 120));
    return counting && document.querySelector('.me-header') ? 0 : nextFrame(call);
  };
}

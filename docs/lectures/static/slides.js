// With ?measure in the address: say on the page how far each slide reaches, and how many of its blocks of code are cut.
window.addEventListener("load", () => {
  if (location.search !== "?measure") return;
  const measure = async () => {
    await MathJax.startup.promise;
    const found = [];
    for (const slide of Reveal.getSlides()) {
      const { h, v } = Reveal.getIndices(slide);
      Reveal.slide(h, v);
      await new Promise((go) => setTimeout(go, 60));
      const scale = Reveal.getScale(), box = document.querySelector(".slides").getBoundingClientRect();
      let right = 0, bottom = 0, cut = 0;
      for (const part of slide.querySelectorAll("*:not(aside):not(mjx-assistive-mml *)")) {
        const place = part.getBoundingClientRect();
        right = Math.max(right, (place.right - box.left) / scale);
        bottom = Math.max(bottom, (place.bottom - box.top) / scale);
        if (part.matches("pre, pre code")) cut += part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
      }
      found.push({ h, v: v || 0, right: Math.round(right), bottom: Math.round(bottom), cut });
    }
    const told = document.createElement("script");
    told.type = "application/json";
    told.id = "measured";
    told.textContent = JSON.stringify(found);
    document.body.append(told);
  };
  Reveal.isReady() ? measure() : Reveal.on("ready", measure);
});

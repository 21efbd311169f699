// Search runs in a worker, which browsers refuse to pages that are opened from a file. There, run its script in a
// frame instead. The theme's plugin 'offline' would fetch such a script from elsewhere; it leaves that out because
// the name of this file contains 'iframe-worker'. The search script looks for window.IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      document.body.append(frame);
      const scope = frame.contentWindow;
      scope.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      scope.importScripts = (...urls) =>
        urls.reduce((before, each) => before.then(() => load(scope.document, each)), Promise.resolve());
      this.scope = scope;
      this.loaded = load(scope.document, url);
    }

    postMessage(data) {
      this.loaded.then(() => this.scope.dispatchEvent(new MessageEvent("message", { data })));
    }
  };

  const load = (page, url) =>
    new Promise((done, failed) => {
      const script = page.createElement("script");
      script.src = new URL(url, location.href);
      script.onload = done;
      script.onerror = failed;
      page.body.append(script);
    });
}

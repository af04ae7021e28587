// Works without: forms are sent and pages are loaded as ever. This says when there is no connection, and keeps a form
// from being sent twice.
(function () {
  "use strict";

  function onPost(event) { return event.detail.requestConfig.verb !== "get"; }

  function tell(text) {
    var said = document.getElementById("said");
    var line = document.createElement("p");
    line.className = "said refused";
    line.textContent = text;
    said.replaceChildren(line);
    line.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("htmx:sendError", function (event) {
    if (onPost(event)) { tell(document.body.dataset.offline); }
  });
  document.addEventListener("htmx:timeout", function (event) {
    if (onPost(event)) { tell(document.body.dataset.offline); }
  });
  document.addEventListener("htmx:responseError", function (event) {
    if (onPost(event)) { tell(document.body.dataset.failed); }
  });
  // An answer of ours that says what went wrong: its sentence is shown, and what was written stays.
  document.addEventListener("htmx:beforeSwap", function (event) {
    var answer = event.detail;
    if (answer.xhr.status >= 500 && onPost(event) && answer.xhr.getResponseHeader("HX-Reswap") === "none") {
      answer.shouldSwap = true;
      answer.isError = false;
    }
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    var said = document.getElementById("said");
    if (!onPost(event)) { return; }
    if (event.detail.successful && event.detail.xhr.status < 300) {
      said.replaceChildren();
    } else if (said.firstChild) {
      said.scrollIntoView({ block: "nearest" });
    }
  });

  // A form that loads a page is sent once, and only where the desk can be reached: else the browser would put its own
  // page in the place of what was written.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    var button = event.submitter;
    if (form.hasAttribute("hx-post") || form.method !== "post" || event.defaultPrevented) { return; }
    if (form.dataset.sent === "now") { form.dataset.sent = "yes"; return; }
    event.preventDefault();
    if (form.dataset.sent) { return; }
    form.dataset.sent = "asks";
    fetch(document.body.dataset.here, { method: "HEAD", cache: "no-store" }).then(function () {
      form.dataset.sent = "now";
      form.requestSubmit(button);
      if (form.dataset.sent === "now") { delete form.dataset.sent; }
    }, function () {
      delete form.dataset.sent;
      tell(document.body.dataset.offline);
    });
  });
  // A page that comes back from the browser's own store is as it was left.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) { window.location.reload(); }
  });
  // What was swapped in keeps the keyboard where it was.
  document.addEventListener("htmx:afterSwap", function (event) {
    var place = event.detail.target && document.getElementById(event.detail.target.id);
    var said = place && place.querySelector("[role=alert]");
    if (said) { said.setAttribute("tabindex", "-1"); said.focus(); }
  });
})();

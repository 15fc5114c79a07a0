/** The way in to the dashboard. */

import { byId, showText } from "./dom.js";
import { makeAdminApi } from "./admin_api.js";
import { ADMIN_TEXTS } from "./admin_texts.js";
import { errorText, markReady, startPage } from "./shell.js";

const { say } = startPage(ADMIN_TEXTS);
const api = makeAdminApi({ fetch: window.fetch.bind(window), language: document.documentElement.lang, onLoggedOut: () => {} });

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("enter").disabled = true;
  try {
    await api.logIn(byId("password").value);
    location.reload();
  } catch (error) {
    showText(byId("form-error"), errorText(say, error));
    byId("enter").disabled = false;
    byId("password").select();
  }
});

byId("password").focus();
markReady();

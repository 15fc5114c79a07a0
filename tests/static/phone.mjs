/** A fake `wx`: sockets and requests that a test speaks for, and an app that is hidden, shown and moved between networks. */

class SocketTask {
  isClosed = false;
  constructor({ url, header, fail }) {
    Object.assign(this, { url, header, fails: () => fail({ errMsg: "connectSocket:fail" }) });
  }
  onMessage = (act) => (this._message = act);
  onError = (act) => (this._error = act);
  onClose = (act) => (this._close = act);
  close = () => (this.isClosed = true);
  says = (frame) => this._message({ data: JSON.stringify(frame) });
  breaks = () => this._error({ errMsg: "broken pipe" });
  ends = (code, reason) => this._close({ code, reason });
}

class RequestTask {
  isAborted = false;
  constructor({ url, method = "GET", data, header, timeout, success, fail }) {
    Object.assign(this, { url, method, data, header, timeout, fails: () => fail({ errMsg: "request:fail" }) });
    this.brings = (statusCode, data) => success({ statusCode, data });
  }
  abort = () => (this.isAborted = true);
}

/** `answer(request)` may answer a request at once with `[status, data]`; those it leaves stay in `waiting`. */
export function aPhone(answer = () => null) {
  const listeners = { AppShow: new Set(), AppHide: new Set(), NetworkStatusChange: new Set() };
  const phone = { sockets: [], requests: [], waiting: [], answer, listeners };
  const wx = {
    connectSocket(options) {
      const task = new SocketTask(options);
      phone.sockets.push(task);
      return task;
    },
    request(options) {
      const task = new RequestTask(options);
      phone.requests.push(task);
      const given = phone.answer(task);
      if (given) Promise.resolve().then(() => task.brings(...given));
      else phone.waiting.push(task);
      return task;
    },
  };
  for (const [sign, acts] of Object.entries(listeners)) {
    wx[`on${sign}`] = (act) => acts.add(act);
    wx[`off${sign}`] = (act) => acts.delete(act);
  }
  phone.happens = (sign, told) => listeners[sign].forEach((act) => act(told));
  return Object.assign(phone, { wx });
}

/** Says words: the keys and arguments of `order_view.js` become sentences in the reader's language. */

import { EN } from "./words_en.js";
import { ZH } from "./words_zh.js";

export const TEXTS = { "zh-CN": ZH, en: EN };
const LIST_MARK = { "zh-CN": "、", en: ", " };

/** Return `say({key, args})`: the sentence in this language. Arguments may be words themselves, or a list of names. */
export function speaker(language, all = TEXTS) {
  const texts = all[language] ?? all["zh-CN"];
  const mark = LIST_MARK[language] ?? LIST_MARK["zh-CN"];
  const argument = (value) => (Array.isArray(value) ? value.join(mark) : value?.key ? say(value) : String(value));
  function say({ key, args = {} }) {
    const text = texts[key] ?? (key.startsWith("event_") ? texts.event_unknown : key);
    // One pass over the template only: braces in a nickname stay braces.
    return text.replace(/\{(\w+)\}/g, (hole, name) => (name in args ? argument(args[name]) : hole));
  }
  return say;
}

/** Return a function that writes Unix milliseconds as a short date and time. */
export function dateWriter(language) {
  const parts = { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit" };
  const format = new Intl.DateTimeFormat(language, parts);
  return (ms) => format.format(new Date(ms));
}

/** The words of the operator's pages: those of every page, and their own. */

import { TEXTS } from "./texts.js";
import { ADMIN_EN } from "./words_admin_en.js";
import { ADMIN_ZH } from "./words_admin_zh.js";

export const ADMIN_TEXTS = { "zh-CN": { ...TEXTS["zh-CN"], ...ADMIN_ZH }, en: { ...TEXTS.en, ...ADMIN_EN } };

import { makeDaifu } from "./daifu/miniprogram/daifu-client.js";

const BASE_URL = "https://pay.example.com"; // yours, also among the request and socket domains

App({
  globalData: {
    baseUrl: BASE_URL,
    daifu: makeDaifu({ wx, baseUrl: BASE_URL, userName: () => wx.getStorageSync("name") || "" }),
  },
});

import { watchOrder } from "../../daifu/miniprogram/daifu-watch.js";

const STATES = { OPEN: "等待付款", PAID: "已付清", CLOSING: "正在关闭", CLOSED: "已关闭", REFUNDED: "已退款" };
const OUTCOMES = { cancel: "没有付款，随时可以再来", fail: "支付没有成功，请重试" };

const yuan = (fen) => `${Math.floor(fen / 100)}.${String(fen % 100).padStart(2, "0")}`;

Page({
  data: { order: null, state: "", amount: "", payers: [], canPay: false, isPaying: false, status: "connecting" },

  onLoad({ order_id: orderId }) {
    const { baseUrl, daifu } = getApp().globalData;
    this.orderId = orderId;
    this.daifu = daifu;
    this.watch = watchOrder({
      wx,
      baseUrl,
      orderId,
      watchToken: () => daifu.watchToken(orderId),
      onOrder: (order) => this.show(order),
      onStatus: (status) => this.setData({ status }),
    });
  },

  onShow() {
    this.watch.wake();
  },

  onUnload() {
    this.watch.stop();
  },

  onShareAppMessage() {
    return { title: `${this.data.order.initiator.name}请你帮忙付`, path: `/pages/pay/pay?order_id=${this.orderId}` };
  },

  show(order) {
    const paid = order.payments.filter((payment) => payment.paid_at_ms !== null);
    this.setData({
      order,
      state: STATES[order.state],
      amount: yuan(order.amount),
      payers: paid.map(({ payer, amount }) => `${payer.name || "朋友"} ¥${yuan(amount)}`),
      canPay: order.state === "OPEN",
    });
  },

  /** What WeChat's cashier says is a hint; `watch.take` shows what the server knows, and the watch what comes later. */
  async pay() {
    if (this.data.isPaying) return;
    this.setData({ isPaying: true });
    try {
      const { outcome, order } = await this.daifu.pay(this.orderId);
      this.watch.take(order);
      if (OUTCOMES[outcome]) wx.showToast({ title: OUTCOMES[outcome], icon: "none" });
    } catch (error) {
      wx.showToast({ title: error.message, icon: "none" });
      this.watch.refetch();
    } finally {
      this.setData({ isPaying: false });
    }
  },
});

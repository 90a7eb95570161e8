// The words of shares. `figures` names each figure of the section: those of a list without their number, which is `{n}`.
// `names` has those channels whose own word is not what viewers call them.

export const WORDS = {
  en: {
    title: "Shares",
    help: "How often the room was shared, by how many people, and by which channel. Each share counts once.",
    widgetNames: { shares: "Shares and channels" },
    figures: {
      shares: "shares",
      sharers: "people who shared",
      not_said: "channel not said",
      other: "other channels",
      "channels.channel": "channel {n}",
      "channels.shares": "shares of channel {n}",
    },
    shares: "{n} shares",
    shared: "{n} share",
    people: "by {n} people",
    person: "by {n} person",
    channel: "Channel",
    names: { wechat: "WeChat", moments: "Moments", weibo: "Weibo", qq: "QQ", douyin: "Douyin", link: "Link" },
  },
  "zh-CN": {
    title: "分享",
    help: "直播间被分享的次数、分享人数和分享渠道。每次分享只算一次。",
    widgetNames: { shares: "分享与渠道" },
    figures: {
      shares: "分享次数",
      sharers: "分享人数",
      not_said: "未注明渠道",
      other: "其他渠道",
      "channels.channel": "渠道 {n}",
      "channels.shares": "渠道 {n} 的分享次数",
    },
    shares: "{n} 次分享",
    shared: "{n} 次分享",
    people: "{n} 人分享",
    person: "{n} 人分享",
    channel: "渠道",
    names: { wechat: "微信", moments: "朋友圈", weibo: "微博", qq: "QQ", douyin: "抖音", link: "链接" },
  },
};

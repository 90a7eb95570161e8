// The words of follows. `figures` names each figure of the section.

export const WORDS = {
  en: {
    title: "Followers",
    help: "A person's latest word says whether they follow, their earliest whether they did before. Who comes and goes counts in neither.",
    widgetNames: { followers: "New followers" },
    figures: {
      gained: "new followers",
      lost: "followers lost",
      net: "net",
      beyond: "events of people beyond the bound",
      unknown: "events of unknown people",
    },
    one: "+{n} new follower",
    more: "+{n} new followers",
    least: "at least +{n} new followers",
  },
  "zh-CN": {
    title: "粉丝",
    help: "最后一次操作决定是否关注，最早一次操作说明开播前是否已关注。来了又走的不计入增减。",
    widgetNames: { followers: "新增粉丝" },
    figures: {
      gained: "新增粉丝",
      lost: "流失粉丝",
      net: "净增",
      beyond: "超出上限者的操作数",
      unknown: "未知用户的操作数",
    },
    one: "新增粉丝 +{n}",
    more: "新增粉丝 +{n}",
    least: "新增粉丝至少 +{n}",
  },
};

// The words of gauges. `figures` names each figure of the section: those of a list without their number, which is `{n}`.
// `names` has those platforms whose own word is not what viewers call them.

/** The names of a reading's figures, behind `name`; `what` says of what. */
function reading(name, what, { value, at, precision }) {
  return { [`${name}.value`]: `${what}${value}`, [`${name}.at_ms`]: `${what}${at}`, [`${name}.precision`]: `${what}${precision}` };
}

/** The figures of every gauge of source {n}: what was said last, and its peak. */
function ofSources(gauges, { of, latest, peak, ...parts }) {
  const found = {};
  for (const [name, gauge] of Object.entries(gauges)) {
    const what = of.replace("{gauge}", gauge);
    Object.assign(found, {
      [`sources.${name}`]: what,
      [`sources.${name}.latest`]: `${what}${latest}`,
      ...reading(`sources.${name}.latest`, `${what}${latest}`, parts),
      ...reading(`sources.${name}.peak`, `${what}${peak}`, parts),
    });
  }
  return found;
}

const EN_GAUGES = { viewers_now: "viewers now", viewers_total: "viewers in total", likes_total: "likes in total", popularity: "popularity" };
const EN_PARTS = { value: "", at: ": said at", precision: ": precision" };
const ZH_GAUGES = { viewers_now: "当前观看", viewers_total: "累计看过", likes_total: "累计点赞", popularity: "人气值" };
const ZH_PARTS = { value: "", at: "：时间", precision: "：精度" };

export const WORDS = {
  en: {
    title: "What platforms say",
    help: "The platforms' own figures, each with its source and age. They are never added up, nor mixed with what is counted here.",
    widgetNames: { viewers: "Viewers now, as platforms say", totals: "Viewers and likes in total, as a platform says" },
    figures: {
      known_for_ms: "known for, ms",
      beyond: "events of sources beyond the bound",
      viewers_now: "viewers now",
      "viewers_now.source": "viewers now: who says so",
      ...reading("viewers_now", "viewers now", EN_PARTS),
      "sources.source": "source {n}",
      "sources.events": "events of source {n}",
      ...ofSources(EN_GAUGES, { of: "source {n}: {gauge}", latest: "", peak: ", peak", ...EN_PARTS }),
    },
    gauges: EN_GAUGES,
    watching: "{n} watching",
    viewed: "{n} viewers in total",
    liked: "{n} likes in total",
    says: "as {who} says, {ago}",
    recently: "under {n} ago",
    ago: "{n} ago",
    behind: ", {ago}",
    peakOf: "peak {n}",
    notKnown: "not known",
    beyond: "{n} events of sources beyond the bound",
    names: {
      tiktok: "TikTok",
      douyin: "Douyin",
      kuaishou: "Kuaishou",
      bilibili: "bilibili",
      taobao: "Taobao Live",
      wechat: "WeChat Channels",
      xiaohongshu: "RedNote",
      youtube: "YouTube",
      twitch: "Twitch",
    },
  },
  "zh-CN": {
    title: "平台数据",
    help: "平台自己给出的数据，注明来源和时间。不相加，也不与本系统的统计混合。",
    widgetNames: { viewers: "平台显示的当前观看", totals: "平台显示的累计看过与点赞" },
    figures: {
      known_for_ms: "有效时长（毫秒）",
      beyond: "超出上限的来源的上报数",
      viewers_now: "当前观看",
      "viewers_now.source": "当前观看：来源",
      ...reading("viewers_now", "当前观看", ZH_PARTS),
      "sources.source": "来源 {n}",
      "sources.events": "来源 {n} 的上报数",
      ...ofSources(ZH_GAUGES, { of: "来源 {n}：{gauge}", latest: "", peak: "峰值", ...ZH_PARTS }),
    },
    gauges: ZH_GAUGES,
    watching: "{n} 人正在看",
    viewed: "{n} 看过",
    liked: "{n} 点赞",
    says: "来源：{who}，{ago}",
    recently: "不到 {n}前",
    ago: "{n}前",
    behind: "，{ago}",
    peakOf: "峰值 {n}",
    notKnown: "未知",
    beyond: "超出上限的来源：{n} 条上报",
    names: {
      tiktok: "TikTok",
      douyin: "抖音",
      kuaishou: "快手",
      bilibili: "哔哩哔哩",
      taobao: "淘宝直播",
      wechat: "视频号",
      xiaohongshu: "小红书",
      youtube: "YouTube",
      twitch: "Twitch",
    },
  },
};

"""Every word of the terminal view, in each language. Another language is one more `Strings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream.contract.overlay import ClaimKind, Level, RateNote, SaleStatus, SuspicionRule, WithheldReason


@dataclass(frozen=True, kw_only=True)
class Strings:
    """The words of one language. Names in braces are placeholders."""

    levels: dict[Level, str]
    statuses: dict[SaleStatus, str]
    claims: dict[ClaimKind, str]
    claim_names: dict[ClaimKind, str]
    withheld: dict[WithheldReason, str]
    withheld_of: dict[tuple[ClaimKind, WithheldReason], str]
    rates: dict[str, str]
    session: str
    minutes: str
    as_of: str
    old: str
    stale: str
    backlog: str
    sold: str
    held: str
    left: str
    oversold: str
    over_limit: str
    gone: str
    suspects: str
    suspect_orders: str
    suspicions: dict[SuspicionRule, str]
    sell_through: str
    stock_unknown: str
    velocity: str
    eta: str
    carters: str
    starts_in: str
    ends_in: str
    extended: str
    ended: str
    restock_at: str
    said: str
    not_said: str
    nothing: str
    viewers: str
    views: str
    watching: str
    likes: str
    comments: str
    cart_adds: str
    orders: str
    orders_later: dict[str, str]
    gmv: str
    more_sales: str
    between: str
    taller: str
    no_rates: str
    about: str
    at_least: str
    rate_notes: dict[RateNote, str]


EN = Strings(
    levels={
        "calm": "calm",
        "warming": "warming",
        "brisk": "brisk",
        "rush": "RUSH",
        "snap_up": "SNAP UP",
        "last_call": "LAST CALL",
        "all_taken": "all taken",
        "sold_out": "sold out",
        "ended": "ended",
        "unknown": "unknown",
    },
    statuses={"unknown": "not announced", "scheduled": "scheduled", "open": "open", "ended": "ended"},
    claims={
        "stock_left": "{value} left",
        "all_taken": "all taken, {value} not yet paid",
        "sold_out": "sold out",
        "bought_recently": "{value} bought in the last {window}, net of cancels",
        "in_carts": "in {value} people's carts",
        "watching_now": "{value} watching now",
        "ends_in": "ends in {value}",
        "eta_sellout": "gone in {value} ({coverage} %)",
    },
    claim_names={
        "stock_left": "N left",
        "all_taken": "all taken",
        "sold_out": "sold out",
        "bought_recently": "N bought",
        "in_carts": "N in carts",
        "watching_now": "N watching",
        "ends_in": "countdown",
        "eta_sellout": "time to sell-out",
    },
    withheld={
        "stale": "the figures are too old",
        "sample_too_small": "too few to say",
        "restock_planned": "a restock is planned",
        "above_display_threshold": "not yet worth saying",
        "suspected_fake_orders": "some orders look fake",
        "records_misplaced": "some of its records lie where nobody counts them",
        "nothing_left": "nothing is left to hurry for",
        "approximate": "too many to be counted one by one",
        "leaves_not_heard": "too few are heard to leave to say who is there",
        "forecast_not_calibrated": "no forecast would hold here",
        "sale_not_open": "the sale is not open",
        "stock_unknown": "nobody said how many there are",
    },
    withheld_of={
        ("stock_left", "above_display_threshold"): "plenty left, that is no scarcity",
        ("ends_in", "above_display_threshold"): "the end is too far off",
        ("bought_recently", "sample_too_small"): "too few orders to say",
        ("eta_sellout", "sample_too_small"): "too few orders to say",
        ("in_carts", "sample_too_small"): "too few carts to say",
        ("watching_now", "sample_too_small"): "too few people to say",
    },
    rates={
        "watch_to_buy_uv": "payers of viewers",
        "click_to_buy_uv": "payers of clickers",
        "cart_to_order_uv": "carters who ordered",
        "orders_per_viewer": "orders per viewer",
        "pay_rate": "orders paid",
        "engaged_uv_rate": "engaged viewers",
        "gpm_views": "paid/1000 views",
    },
    session="session",
    minutes="{n} min",
    as_of="as of {time} UTC",
    old="{age} old",
    stale="STALE: {age} old. What follows is not how things are now.",
    backlog="reading a backlog",
    sold="sold",
    held="held",
    left="left",
    oversold="OVERSOLD by {n}",
    over_limit="{n} beyond the limit per person",
    gone="{n} not back",
    suspects="{n} units look like fake orders",
    suspect_orders="orders that look fake: {n} ({units} units): {rule}",
    suspicions={
        "unpaid_burst": "one account, many unpaid",
        "one_device": "one device, many accounts",
        "same_product": "one account, one product over and over",
        "bought_and_undone": "bought and soon undone, over and over",
        "never_seen": "by people who were never in the room",
    },
    sell_through="{share} sold ({num} of {den})",
    stock_unknown="stock unknown until the sale is announced",
    velocity="{n} in {window}",
    eta="gone in {span} ({coverage} %)",
    carters="{n} people have it in their cart",
    starts_in="starts in {time}",
    ends_in="ends in {time}",
    extended="extended",
    ended="ended",
    restock_at="restock planned at {time} UTC",
    said="May be said",
    not_said="Held back",
    nothing="nothing",
    viewers="viewers",
    views="views",
    watching="watching now",
    likes="likes",
    comments="comments",
    cart_adds="cart-adds",
    orders="orders: {placed} placed, {paid} paid, {cancelled} cancelled, {refunded} refunded",
    orders_later={
        "partly_undone": "{n} undone in part",
        "shipped": "{n} shipped",
        "delivered": "{n} delivered",
        "completed": "{n} completed",
        "payment_failed": "{n} payments failed",
    },
    gmv="{currency}: placed {placed}, paid {paid}, net {net}",
    more_sales="and {n} more sales: {kinds}",
    between=", ",
    taller="A taller window shows the rest: rates, what is held back.",
    no_rates="no rates yet: nobody to count",
    about="±{share} %",
    at_least="≥{value}",
    rate_notes={
        "not_seen_to_enter": "above 1: some entered before the window, or unseen",
        "not_seen_to_click": "above 1: some clicked before the window, or never",
        "many_orders": "above 1: several orders a viewer, or of people who entered earlier or unseen",
        "placed_before": "above 1: some were placed before this window or session",
        "sampled": "above 1 by estimate: people are counted from a sample",
    },
)

ZH_CN = Strings(
    levels={
        "calm": "平静",
        "warming": "升温",
        "brisk": "活跃",
        "rush": "抢购",
        "snap_up": "疯抢",
        "last_call": "最后机会",
        "all_taken": "已抢完",
        "sold_out": "售罄",
        "ended": "已结束",
        "unknown": "未知",
    },
    statuses={"unknown": "未公布", "scheduled": "即将开始", "open": "进行中", "ended": "已结束"},
    claims={
        "stock_left": "仅剩 {value} 件",
        "all_taken": "已抢完,{value} 件待付款",
        "sold_out": "已售罄",
        "bought_recently": "近 {window} 净售 {value} 件",
        "in_carts": "{value} 人已加购",
        "watching_now": "{value} 人正在观看",
        "ends_in": "{value} 后结束",
        "eta_sellout": "预计 {value} 售罄({coverage} %)",
    },
    claim_names={
        "stock_left": "剩余件数",
        "all_taken": "已抢完",
        "sold_out": "售罄",
        "bought_recently": "近期购买",
        "in_carts": "加购人数",
        "watching_now": "在看人数",
        "ends_in": "倒计时",
        "eta_sellout": "售罄预测",
    },
    withheld={
        "stale": "数据已过时",
        "sample_too_small": "样本太少",
        "restock_planned": "已计划补货",
        "above_display_threshold": "尚不值得展示",
        "suspected_fake_orders": "部分订单疑似刷单",
        "records_misplaced": "部分记录写错了分区，未计入",
        "nothing_left": "已无货可抢",
        "approximate": "人数过多，只能估算",
        "leaves_not_heard": "离开事件太少，无法得知在看人数",
        "forecast_not_calibrated": "目前无法可靠预测",
        "sale_not_open": "活动未开始",
        "stock_unknown": "库存未公布",
    },
    withheld_of={
        ("stock_left", "above_display_threshold"): "库存充足,不算紧缺",
        ("ends_in", "above_display_threshold"): "离结束还早",
        ("bought_recently", "sample_too_small"): "订单太少",
        ("eta_sellout", "sample_too_small"): "订单太少",
        ("in_carts", "sample_too_small"): "加购太少",
        ("watching_now", "sample_too_small"): "人数太少",
    },
    rates={
        "watch_to_buy_uv": "观看支付率",
        "click_to_buy_uv": "点击支付率",
        "cart_to_order_uv": "加购下单率",
        "orders_per_viewer": "人均订单",
        "pay_rate": "订单支付率",
        "engaged_uv_rate": "互动率",
        "gpm_views": "千次观看成交",
    },
    session="整场",
    minutes="{n} 分钟",
    as_of="截至 {time} UTC",
    old="{age} 前",
    stale="已过时:{age} 前的数据,不代表当前情况。",
    backlog="正在追赶积压",
    sold="已售",
    held="占用",
    left="剩余",
    oversold="超卖 {n} 件",
    over_limit="{n} 件超出限购",
    gone="{n} 件未退回",
    suspects="{n} 件疑似刷单",
    suspect_orders="疑似刷单 {n} 笔({units} 件):{rule}",
    suspicions={
        "unpaid_burst": "同一账号多笔未付款",
        "one_device": "同一设备多个账号",
        "same_product": "同一账号反复下单同一商品",
        "bought_and_undone": "反复下单后很快取消或退款",
        "never_seen": "下单者从未进过直播间",
    },
    sell_through="售出 {share}({den} 件中的 {num} 件)",
    stock_unknown="活动公布前库存未知",
    velocity="{window} 内 {n} 件",
    eta="预计 {span} 售罄({coverage} %)",
    carters="{n} 人已加购未下单",
    starts_in="{time} 后开始",
    ends_in="{time} 后结束",
    extended="已延长",
    ended="已结束",
    restock_at="计划补货 {time} UTC",
    said="可以展示",
    not_said="暂不展示",
    nothing="无",
    viewers="观众",
    views="观看次数",
    watching="正在观看",
    likes="点赞",
    comments="评论",
    cart_adds="加购",
    orders="订单:{placed} 下单,{paid} 支付,{cancelled} 取消,{refunded} 退款",
    orders_later={
        "partly_undone": "{n} 部分取消或退款",
        "shipped": "{n} 已发货",
        "delivered": "{n} 已送达",
        "completed": "{n} 已完成",
        "payment_failed": "{n} 支付失败",
    },
    gmv="{currency}:下单 {placed},支付 {paid},净额 {net}",
    more_sales="另有 {n} 个活动:{kinds}",
    between="、",
    taller="拉高窗口可查看其余内容:比率、暂不展示的原因。",
    no_rates="暂无比率:还没有可统计的人",
    about="±{share} %",
    at_least="≥{value}",
    rate_notes={
        "not_seen_to_enter": "大于 1:部分人在窗口之前进入,或没有进入记录",
        "not_seen_to_click": "大于 1:部分人在窗口之前点击,或未点击",
        "many_orders": "大于 1:一位观众多笔订单,或下单者更早进入",
        "placed_before": "大于 1:部分订单在此窗口或场次之前下单",
        "sampled": "大于 1:人数为抽样估计,超出部分是误差",
    },
)

LANGUAGES: dict[str, Strings] = {"en": EN, "zh-CN": ZH_CN}

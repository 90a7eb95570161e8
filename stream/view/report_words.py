"""Every word of a report page, in each language. Another language is one more `ReportWords`.

Names of claims, reasons and rates come from the terminal view.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReportWords:
    """The words of one language. Names in braces are placeholders."""

    title: str
    show: str
    began: str
    ended: str
    goes_on: str
    ended_by: dict[str, str]
    as_of: str
    holds: str
    differs: str
    incomplete: str
    claims_right: str
    claims_wrong: str
    claims_unknown: str
    recounted: str
    published: str
    paid: str
    net: str
    net_short: str
    placed: str
    orders: str
    orders_of: str
    orders_in_part: str
    peak: str
    peak_at: str
    viewers: str
    views: str
    likes: str
    comments: str
    cart_adds: str
    rates: str
    curve: str
    curve_note: str
    gmv: str
    orders_paid: str
    watching: str
    minute: str
    table: str
    products: str
    product: str
    sale: str
    offered: str
    restocked: str
    left: str
    held: str
    sold: str
    released: str
    gone: str
    refunded: str
    cancelled: str
    oversold: str
    units_paid: str
    units_net: str
    rest: str
    products_note: str
    status: str
    stock: str
    stock_note: str
    said_so: str
    seconds: str
    sources: str
    source: str
    clicks: str
    not_named: str
    other: str
    said: str
    said_note: str
    claim: str
    from_to: str
    how_long: str
    documents: str
    first: str
    last: str
    least: str
    most: str
    evidence: str
    timeline: str
    withheld: str
    withheld_note: str
    reason: str
    corrections: str
    corrections_note: str
    taken_back: dict[str, str]
    what_changed: str
    before: str
    since_then: str
    none_said: str
    round: str
    none_of_these: str
    word: str
    at: str
    record: str
    kinds: dict[str, str]
    more: str
    quality: str
    quality_note: str
    topic: str
    received: str
    applied: str
    duplicates: str
    dead_letters: str
    retimed: str
    refused_for: str
    forgettable: str
    log: str
    log_note: str
    offsets: str
    records: str
    hash: str
    rules: str
    rules_of: dict[str, str]
    made_by: str
    whole_room: str
    compared: str
    compared_note: str
    compared_differs: str
    figure: str
    this_show: str
    show_before: str
    change: str


EN = ReportWords(
    title="Report of {room}",
    show="show {show}",
    began="began",
    ended="ended",
    goes_on="goes on",
    ended_by={"word": "by the host's word", "silence": "by silence", "bound": "by a bound"},
    as_of="as of",
    holds="{figures} of {figures} figures, counted again from the log alone, are those of the session's last document.",
    differs="{wrong} of {figures} figures are NOT those of the session's last document.",
    incomplete="This report proves less than it should.",
    claims_right="{right} of {claims} claims of {documents} documents, said and withheld, are as recomputed.",
    claims_wrong="{wrong} of {claims} claims do NOT follow from the log.",
    claims_unknown="The claims were not recomputed: {why}",
    recounted="recounted",
    published="in the document",
    paid="GMV paid",
    net="net {amount} after cancels and refunds",
    net_short="net",
    placed="placed {amount}",
    orders="Orders paid",
    orders_of="{placed} placed, {cancelled} cancelled, {refunded} refunded",
    orders_in_part="{count} cancelled or refunded in part",
    peak="Most watching",
    peak_at="at {time}",
    viewers="Viewers",
    views="views",
    likes="Likes",
    comments="Comments",
    cart_adds="Cart-adds",
    rates="Rates of the session",
    curve="Minute by minute",
    curve_note="Effective time, UTC. {step} a bar; people at its end. Marks: the host's corrections.",
    gmv="GMV paid, {currency}",
    orders_paid="orders paid",
    watching="watching",
    minute="minute",
    table="The figures of each minute",
    products="Products",
    product="SKU",
    sale="sale",
    offered="offered",
    restocked="restocked",
    left="left",
    held="held",
    sold="sold",
    released="released",
    gone="not back",
    refunded="refunded",
    cancelled="cancelled",
    oversold="oversold",
    units_paid="units paid",
    units_net="net units",
    rest="all others together",
    products_note="Units and amounts of this session: a refund counts in the session in which it came.",
    status="status",
    stock="Stock at the end",
    stock_note="The room's, over all sessions in which the sale went on: offered + restocked + oversold = left + held "
    "+ sold + not back.",
    said_so="said",
    seconds="{n} s",
    sources="Sources of visits",
    source="source",
    clicks="product clicks",
    not_named="not named",
    other="all others together",
    said="What was claimed",
    said_note="Each claim stood from the first document that said it to the first that did not, and no longer than it "
    "said it was valid. Offsets are those of this room's records that it was made of.",
    claim="claim",
    from_to="from, to",
    how_long="for",
    documents="documents",
    first="first",
    last="last",
    least="least",
    most="most",
    evidence="evidence",
    timeline="when",
    withheld="What was held back",
    withheld_note="These failed their rule, and were not said.",
    reason="reason",
    corrections="Corrections",
    corrections_note="Words of the host that changed what had been said of a sale; first those that took it back.",
    taken_back={"ends_at_ms": "end", "closed_at_ms": "close", "offered": "units offered"},
    what_changed="taken back",
    before="before",
    since_then="since then",
    none_said="none",
    round="round {n}, {sold} sold before",
    none_of_these="None.",
    word="word",
    at="at",
    record="record",
    kinds={
        "sale_opened": "announced anew",
        "sale_restocked": "restocked",
        "sale_extended": "extended",
        "sale_closed": "closed",
    },
    more="and {n} more",
    quality="Quality of the data",
    quality_note="Every record is in one account: received = applied + duplicates + dead letters.",
    topic="topic",
    received="received",
    applied="applied",
    duplicates="duplicates",
    dead_letters="dead letters",
    retimed="retimed",
    refused_for="Dead letters by reason",
    forgettable="{n} duplicates came so late that a worker may have forgotten their ids.",
    log="The log that it was counted from",
    log_note="Whoever has these records can compute this hash; docs/report.md says how.",
    offsets="offsets",
    records="records",
    hash="SHA-256",
    rules="Counted under these rules",
    rules_of={"journal": "from the workers' journal, {where}, Snapup {version}", "settings": "from the settings"},
    made_by="Made by Snapup {version} from the log alone; claims from {source}. The same log gives the same bytes.",
    whole_room="the room",
    compared="Beside the show before",
    compared_note="The room's session before this one, begun {began}, counted again from the log in the same way.",
    compared_differs="Its figures are not those of its last document.",
    figure="figure",
    this_show="this show",
    show_before="the show before",
    change="change",
)

ZH_CN = ReportWords(
    title="{room} 场次报告",
    show="节目 {show}",
    began="开始",
    ended="结束",
    goes_on="进行中",
    ended_by={"word": "主播下播", "silence": "长时间无消息", "bound": "达到上限"},
    as_of="截至",
    holds="仅凭日志重新计数，{figures} 项数据中有 {figures} 项与该场最后一份文档一致。",
    differs="{figures} 项数据中有 {wrong} 项与该场最后一份文档不一致。",
    incomplete="本报告的证明力不完整。",
    claims_right="{documents} 份文档中展示与未展示的 {claims} 条声明，有 {right} 条与依日志重算的结果一致。",
    claims_wrong="{claims} 条声明中有 {wrong} 条与日志不符。",
    claims_unknown="声明未重算：{why}",
    recounted="重新计数",
    published="文档中",
    paid="支付成交额",
    net="扣除取消与退款后净额 {amount}",
    net_short="净额",
    placed="下单 {amount}",
    orders="支付订单",
    orders_of="下单 {placed}，取消 {cancelled}，退款 {refunded}",
    orders_in_part="部分取消或退款 {count}",
    peak="最高在看人数",
    peak_at="{time}",
    viewers="观众",
    views="观看次数",
    likes="点赞",
    comments="评论",
    cart_adds="加购",
    rates="整场比率",
    curve="分钟曲线",
    curve_note="事件有效时间，UTC。每柱 {step}；人数为该段结束时。标记为主播的更正。",
    gmv="支付成交额，{currency}",
    orders_paid="支付订单",
    watching="在看人数",
    minute="分钟",
    table="每分钟数据",
    products="商品",
    product="SKU",
    sale="活动",
    offered="投放",
    restocked="补货",
    left="剩余",
    held="占用",
    sold="已售",
    released="释放",
    gone="未退回",
    refunded="退款",
    cancelled="取消",
    oversold="超卖",
    units_paid="支付件数",
    units_net="净件数",
    rest="其余合计",
    products_note="件数与金额为本场所发生：退款计入其发生的场次。",
    status="状态",
    stock="结束时库存",
    stock_note="为直播间的库存，跨越活动所在的各场次：投放 + 补货 + 超卖 = 剩余 + 占用 + 已售 + 未退回。",
    said_so="内容",
    seconds="{n} 秒",
    sources="访问来源",
    source="来源",
    clicks="商品点击",
    not_named="未注明",
    other="其余合计",
    said="展示过的声明",
    said_note="每条声明自首份包含它的文档起，至首份不含它的文档止，且不超过其有效期。偏移量为其所依据的本直播间记录的范围。",
    claim="声明",
    from_to="起止",
    how_long="时长",
    documents="文档",
    first="首",
    last="末",
    least="最小",
    most="最大",
    evidence="证据",
    timeline="时段",
    withheld="未展示的声明",
    withheld_note="以下声明未通过规则，没有展示。",
    reason="原因",
    corrections="更正",
    corrections_note="主播改变此前活动信息的发言；最近撤回的内容列在最前。",
    taken_back={"ends_at_ms": "结束时间", "closed_at_ms": "关闭", "offered": "投放件数"},
    what_changed="撤回内容",
    before="此前",
    since_then="此后",
    none_said="无",
    round="第 {n} 轮，此前已售 {sold}",
    none_of_these="无。",
    word="更正",
    at="时间",
    record="记录",
    kinds={
        "sale_opened": "重新公布",
        "sale_restocked": "补货",
        "sale_extended": "延长",
        "sale_closed": "关闭",
    },
    more="另有 {n} 条",
    quality="数据质量",
    quality_note="每条记录恰好计入一类：接收 = 计入 + 重复 + 死信。",
    topic="主题",
    received="接收",
    applied="计入",
    duplicates="重复",
    dead_letters="死信",
    retimed="改时",
    refused_for="死信原因",
    forgettable="{n} 条重复记录到得太晚，工作进程可能已忘记其编号。",
    log="所依据的日志",
    log_note="持有这些记录的任何人都能算出该哈希，方法见 docs/report.md。",
    offsets="偏移量",
    records="记录",
    hash="SHA-256",
    rules="所用规则",
    rules_of={"journal": "来自工作进程的日志 {where}，Snapup {version}", "settings": "来自当前设置"},
    made_by="由 Snapup {version} 仅凭日志生成；声明来自 {source}。同一日志得到同样的字节。",
    whole_room="直播间",
    compared="与上一场相比",
    compared_note="本直播间的上一场，开始于 {began}，以同样方式从日志重新计算。",
    compared_differs="上一场的数字与其最后一份文档不一致。",
    figure="指标",
    this_show="本场",
    show_before="上一场",
    change="变化",
)

WORDS: dict[str, ReportWords] = {"en": EN, "zh-CN": ZH_CN}

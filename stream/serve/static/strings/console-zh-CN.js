// More words of the console, in Chinese: why figures do not come, the token, the desk of events, products.

export const CONSOLE_ZH_CN = {
  refusals: {
    needed: "需要令牌。",
    expired: "令牌已过期。",
    other_room: "该令牌属于另一个直播间。",
    invalid: "令牌无效。",
  },
  listRefusals: {
    needed: "列出直播间需要适用于全部直播间的令牌。",
    expired: "令牌已过期。",
    other_room: "该令牌只适用于一个直播间，列表需要适用于全部直播间的令牌。",
    invalid: "令牌无效。",
  },
  reasons: {
    connecting: "正在连接服务器…",
    server: "服务器没有响应。",
    redis: "Redis 没有响应。",
    unreadable: "收到的数据不完整。",
    pipeline: "数据管道已中断：{age}没有收到任何 worker 的心跳。",
    pipelineNever: "数据管道已中断：没有收到任何 worker 的心跳。",
    partly: "部分数据管道已中断，本直播间可能受影响。",
    silent: "没有人发送该直播间的事件；数据管道正常。",
    ended: "直播已于 {time} 结束。",
    quiet: "没有新数据：数据管道中断，或没有人发送事件。",
  },
  pipelineDown: "数据管道中断",
  token: {
    label: "令牌",
    open: "打开",
    how: "由 Snapup 的管理员生成：",
  },
};

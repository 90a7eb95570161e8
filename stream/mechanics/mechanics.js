// What pages know of each mechanic: the shape of its section, its words, its widgets' places, its sample. One line a
// mechanic, in the order of `kinds.py`. Nothing here touches a page: widgets and panels are loaded when they are asked for.

import { card } from "./card/section.js";
import { coupons } from "./coupons/section.js";
import { follows } from "./follows/section.js";
import { gauges } from "./gauges/section.js";
import { gifts } from "./gifts/section.js";
import { shares } from "./shares/section.js";
import { votes } from "./votes/section.js";

export const MECHANICS = [gifts, follows, shares, votes, gauges, coupons, card];

// Names instead of ids: those of the address (`names=sku:name,…`), else those that the room's card gives.

import { paramsOf } from "../overlay/params.js";
import { clean } from "../text.js";

export class Names {
  #given;
  #card = new Map();
  #from = null;

  constructor(query = new URLSearchParams(location.search)) {
    this.#given = paramsOf(new URLSearchParams({ names: query.get("names") ?? "" })).names;
  }

  /** Takes the names of a document. */
  take(overlay) {
    const card = overlay?.card ?? null;
    if (card === null || card === this.#from) return;
    this.#from = card;
    for (const product of [...(card.products ?? []), card.on_show ?? null]) {
      if (typeof product?.name === "string" && product.name) this.#card.set(product.sku_id, product.name);
    }
  }

  /** The name of a SKU or sale; its id where none is known. */
  of(id, maxChars = 40) {
    return clean(this.#given.get(id) ?? this.#card.get(id) ?? id ?? "", maxChars);
  }

  /** Whether a name is known that is not the id. */
  has(id) {
    return this.of(id) !== clean(id ?? "", 40);
  }
}

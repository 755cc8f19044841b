import { api } from "./api";
import type { Cart, Receipt } from "./types";

/** Places an order for everything in the cart. */
export async function checkout(cart: Cart): Promise<Receipt> {
  const order = await api.createOrder({ customer: cart.customer });
  cart.items.forEach(async (item) => {
    await api.addItem(order.id, item);
  });
  return api.confirm(order.id);
}

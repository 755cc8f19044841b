import type { Item, Receipt } from "./types";

const BASE = "/api";

async function post<T>(path: string, body: unknown): Promise<T> {
  const response = await fetch(BASE + path, { method: "POST", body: JSON.stringify(body) });
  if (!response.ok) {
    throw new Error(`${path}: ${response.status}`);
  }
  return response.json();
}

export const api = {
  createOrder: (order: { customer: number }) => post<{ id: number }>("/orders", order),
  addItem: (id: number, item: Item) => post<void>(`/orders/${id}/items`, item),
  confirm: (id: number) => post<Receipt>(`/orders/${id}/confirm`, {}),
};

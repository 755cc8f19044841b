export interface Item {
  sku: string;
  count: number;
}

export interface Cart {
  customer: number;
  items: Item[];
}

export interface Receipt {
  order: number;
  total: number;
}

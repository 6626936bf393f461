-- Amounts and dates that cannot be meant.
-- AlterTable
ALTER TABLE "products" ADD CONSTRAINT "products_list_price_check" CHECK ("list_price" >= 0);

-- AlterTable
ALTER TABLE "batches" ADD CONSTRAINT "batches_best_before_check" CHECK ("best_before" > "received_on");

-- AlterTable
ALTER TABLE "order_lines" ADD CONSTRAINT "order_lines_quantity_check" CHECK ("quantity" > 0);

-- AlterTable
ALTER TABLE "invoice_lines" ADD CONSTRAINT "invoice_lines_quantity_check" CHECK ("quantity" > 0);

-- AlterTable
ALTER TABLE "payments" ADD CONSTRAINT "payments_amount_check" CHECK ("amount" > 0);

-- What an invoice comes to is never stored, except as printed on paper: it is the sum of its lines.
-- CreateView
CREATE VIEW "invoice_totals" AS
SELECT "invoices"."id" AS "invoice_id",
       "invoices"."number",
       COALESCE("billed"."total", 0) AS "total",
       COALESCE("received"."paid", 0) AS "paid",
       COALESCE("billed"."total", 0) - COALESCE("received"."paid", 0) AS "balance"
FROM "invoices"
LEFT JOIN (SELECT "invoice_id", SUM("line_total") AS "total" FROM "invoice_lines" GROUP BY "invoice_id") AS "billed" ON "billed"."invoice_id" = "invoices"."id"
LEFT JOIN (SELECT "invoice_id", SUM("amount") AS "paid" FROM "payments" GROUP BY "invoice_id") AS "received" ON "received"."invoice_id" = "invoices"."id";

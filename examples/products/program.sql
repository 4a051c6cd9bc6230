-- In one segment: who buys what at the retailer, and which product did they last take at the bank?
SELECT
    purchases.category                AS category,
    holdings.last_product             AS product,
    count(DISTINCT holdings.customer) AS customers,
    sum(purchases.spent)              AS spent
FROM holdings
JOIN purchases ON holdings.customer = purchases.customer
WHERE holdings.segment = $segment
GROUP BY purchases.category, holdings.last_product
HAVING count(DISTINCT holdings.customer) >= 10
ORDER BY category, product

-- Cash just under 10,000 that is paid in at one bank, and almost all of it wired from the other
-- within three days: between which branches and countries do at least ten customers do that?
SELECT
    deposits.branch                   AS branch,
    transfers.destination             AS destination,
    count(DISTINCT deposits.customer) AS customers,
    count(*)                          AS pairs,
    sum(deposits.amount)              AS paid_in,
    sum(transfers.amount)             AS wired_on
FROM deposits
JOIN transfers ON deposits.customer = transfers.customer
WHERE deposits.amount BETWEEN 9000 AND 10000
  AND transfers.day BETWEEN deposits.day AND deposits.day + 3
  AND transfers.amount BETWEEN 0.9 * deposits.amount AND deposits.amount
GROUP BY deposits.branch, transfers.destination
HAVING count(DISTINCT deposits.customer) >= 10
ORDER BY branch, destination

-- Cash that comes in at one bank and leaves by wire at the other, for customers whom both know.
SELECT
    north.country                  AS country,
    north.segment                  AS segment,
    count(DISTINCT north.customer) AS customers,
    sum(north.cash_in)             AS cash_in_north,
    sum(south.wired_out)           AS wired_out_south
FROM north
JOIN south ON north.customer = south.customer
GROUP BY north.country, north.segment
HAVING count(DISTINCT north.customer) >= 10
ORDER BY country, segment

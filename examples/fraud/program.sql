-- Cash that comes in at one bank and leaves by wire at the other, for customers whom both know.
SELECT
    north.country                  AS country,
    count(DISTINCT north.customer) AS customers,
    sum(north.cash_in)             AS cash_in_north,
    sum(south.wired_out)           AS wired_out_south
FROM north
JOIN south ON north.customer = south.customer
WHERE north.segment = $segment
GROUP BY north.country
ORDER BY country

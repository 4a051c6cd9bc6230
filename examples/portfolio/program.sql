-- What a fund must expect to lose in a region, by ratings that the fund's manager never sees.
SELECT
    positions.fund                   AS fund,
    ratings.region                   AS region,
    count(DISTINCT positions.issuer) AS issuers,
    sum(positions.market_value)      AS market_value,
    CAST(
        sum(positions.market_value * ratings.default_probability * ratings.loss_given_default)
        AS DECIMAL(18, 2)
    )                                AS expected_loss
FROM positions
JOIN ratings ON positions.issuer = ratings.issuer
GROUP BY positions.fund, ratings.region
HAVING count(DISTINCT positions.issuer) >= 5
ORDER BY fund, region

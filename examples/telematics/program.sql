-- What drivers cost who brake hard often, seldom, or hardly ever, beside what they pay by their age.
SELECT
    policies.ages                    AS ages,
    CASE
        WHEN driving.harsh_brakes * 100 < 2 * driving.kilometres THEN 'smooth'
        WHEN driving.harsh_brakes * 100 < 7 * driving.kilometres THEN 'steady'
        ELSE 'harsh'
    END                              AS style,
    count(DISTINCT policies.vehicle) AS vehicles,
    sum(policies.premium)            AS premiums,
    sum(policies.claims)             AS claims,
    CAST(sum(policies.claims) / sum(policies.premium) AS DECIMAL(9, 2)) AS loss_ratio
FROM policies
JOIN driving ON policies.vehicle = driving.vehicle
WHERE driving.kilometres > 0
GROUP BY ages, style
HAVING count(DISTINCT policies.vehicle) >= 25
ORDER BY ages, style

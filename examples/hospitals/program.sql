-- How often do patients come back, to whichever of the four hospitals? None of them sees by itself
-- that somebody came back to another.
SELECT
    coalesce(alder.diagnosis, birch.diagnosis, cedar.diagnosis, dogwood.diagnosis) AS diagnosis,
    coalesce(alder.treatment, birch.treatment, cedar.treatment, dogwood.treatment) AS treatment,
    count(DISTINCT patient) AS patients,
    CAST(
        avg(
            coalesce(alder.stays, 0) + coalesce(birch.stays, 0)
            + coalesce(cedar.stays, 0) + coalesce(dogwood.stays, 0)
        ) AS DECIMAL(9, 2)
    ) AS stays
FROM alder
FULL JOIN birch USING (patient)
FULL JOIN cedar USING (patient)
FULL JOIN dogwood USING (patient)
GROUP BY 1, 2
HAVING count(DISTINCT patient) >= 20
ORDER BY diagnosis, treatment

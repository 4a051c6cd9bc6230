-- At which sites are patients whom the trial may take? Everybody can read this program; the numbers
-- in `criteria` are the drug maker's, and nobody else's.
SELECT
    patients.site                    AS site,
    count(DISTINCT patients.patient) AS eligible
FROM patients
JOIN findings ON patients.patient = findings.patient
CROSS JOIN criteria
WHERE patients.age BETWEEN criteria.youngest AND criteria.oldest
  AND findings.egfr >= criteria.least_egfr
  AND criteria.weight_bmi * patients.bmi
    + criteria.weight_years * patients.years
    + criteria.weight_hba1c * findings.hba1c >= criteria.cutoff
GROUP BY patients.site
HAVING count(DISTINCT patients.patient) >= 10
ORDER BY site

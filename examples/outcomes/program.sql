-- Does the drug help as much where people are poor, and if not, is it because they took it less?
SELECT
    social.deprivation                                        AS deprivation,
    participants.arm                                          AS arm,
    count(DISTINCT participants.patient)                      AS participants,
    CAST(avg(participants.weeks_taken) AS DECIMAL(9, 1))      AS weeks_taken,
    CAST(avg(participants.improvement) AS DECIMAL(9, 1))      AS improvement,
    CAST(stddev_samp(participants.improvement) AS DECIMAL(9, 1)) AS deviation,
    CAST(avg(social.kilometres) AS DECIMAL(9, 1))             AS kilometres
FROM participants
JOIN social ON participants.patient = social.patient
GROUP BY social.deprivation, participants.arm
HAVING count(DISTINCT participants.patient) >= 20
ORDER BY deprivation, arm

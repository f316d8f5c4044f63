-- The rules of Extens. Put the tables and columns of your database in place of those of 1-tables.sql. SQL Server has + in place
-- of ||, and of Oracle <> '' has to be IS NOT NULL.

-- Units that are active and marked Till LMS, with a first day. When they count is the connector's: profile.before and after.
CREATE VIEW school_units AS
  SELECT id, namn AS name, kod AS school_unit_code, aktiv AS active, start AS start_date, slut AS end_date
  FROM enhet WHERE aktiv = 1 AND till_lms = 'Y' AND start IS NOT NULL;

-- Nobody who is registered abroad, but for who is protected: the mark is to be heard. Where they
-- have to be left out: WHERE skyddad = 'N', and protected: omits.
CREATE VIEW persons AS
  SELECT id, personnr AS civic_no, fornamn AS given_name, efternamn AS family_name, epost AS email, skyddad AS protected, slag AS kind
  FROM person WHERE coalesce(utland, 'N') = 'N' OR coalesce(skyddad, '?') <> 'N';

-- Placements with a first day, at one of these units, of these persons.
CREATE VIEW enrolments AS
  SELECT e.person AS person_id, e.enhet AS school_unit_id, e.skolform AS school_type, e.arskurs AS school_year, e.start AS start_date, e.slut AS end_date
  FROM placering e JOIN school_units u ON u.id = e.enhet JOIN persons p ON p.id = e.person WHERE e.start IS NOT NULL;

CREATE VIEW duties AS
  SELECT d.person AS person_id, d.enhet AS school_unit_id, 'Lärare' AS duty_role, d.start AS start_date, d.slut AS end_date
  FROM anstallning d JOIN school_units u ON u.id = d.enhet JOIN persons p ON p.id = d.person WHERE d.start IS NOT NULL;

-- A teaching group is what the activities of its pupils have in common: those with both days and a signature (BetygSign). It
-- begins with the first of them and ends with the last.
CREATE VIEW groups AS
  SELECT trim(a.enhet) || '/' || a.kurs || '/' || a.grupp AS id, a.enhet AS school_unit_id, a.grupp AS name, 'Undervisning' AS group_type,
    a.kurs AS course_code, min(a.start) AS start_date, max(a.slut) AS end_date
  FROM elevaktivitet a JOIN school_units u ON u.id = a.enhet
  WHERE a.betygsign <> '' AND a.start IS NOT NULL AND a.slut IS NOT NULL GROUP BY a.enhet, a.kurs, a.grupp;

-- The pupils of the activities, and the teachers: a signature is unique within its unit only.
CREATE VIEW memberships AS
  SELECT trim(a.enhet) || '/' || a.kurs || '/' || a.grupp AS group_id, a.person AS person_id, 'S' AS role, a.start AS start_date, a.slut AS end_date
  FROM elevaktivitet a JOIN school_units u ON u.id = a.enhet JOIN persons p ON p.id = a.person
  WHERE a.betygsign <> '' AND a.start IS NOT NULL AND a.slut IS NOT NULL
  UNION ALL
  SELECT trim(a.enhet) || '/' || a.kurs || '/' || a.grupp, t.person, 'T', min(a.start), max(a.slut)
  FROM elevaktivitet a JOIN school_units u ON u.id = a.enhet JOIN anstallning t ON t.enhet = a.enhet AND t.signatur = a.betygsign
  WHERE a.betygsign <> '' AND a.start IS NOT NULL AND a.slut IS NOT NULL GROUP BY a.enhet, a.kurs, a.grupp, t.person;

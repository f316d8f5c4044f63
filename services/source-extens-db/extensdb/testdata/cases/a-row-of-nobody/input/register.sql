CREATE VIEW school_units AS SELECT 'A' AS id, 'Provskolan' AS name;
CREATE VIEW persons AS SELECT * FROM (VALUES
  ('p-1', '189001019802', 'Testa', 'Åkesdotter', 0), ('t-1', '188505059801', 'Läran', 'Lärarsson', 0)
) AS q (id, civic_no, given_name, family_name, protected);
CREATE VIEW enrolments AS SELECT NULL::text AS person_id, 'A' AS school_unit_id, 'GR' AS school_type, DATE '2026-08-17' AS start_date;
CREATE VIEW duties AS SELECT 't-1' AS person_id, 'A' AS school_unit_id, 'Lärare' AS duty_role, DATE '2024-08-12' AS start_date;
CREATE VIEW groups AS SELECT 'g-1' AS id, 'A' AS school_unit_id, '7A' AS name, 'Klass' AS group_type;
CREATE VIEW memberships AS SELECT 'g-1' AS group_id, 't-1' AS person_id, 'M' AS role;

CREATE TABLE unit (id char(10), name text, code text, active char(1));
INSERT INTO unit VALUES ('A', 'Provskolan', '00000001', 'J'), ('B', 'Testskolan', '00000002', 'J'), ('C', 'Nedlagda skolan', '00000003', 'N');
CREATE TABLE teacher (id char(10), unit char(10), signature char(4));
INSERT INTO teacher VALUES ('t-1', 'A', 'LLL'), ('t-2', 'B', 'LLL');
CREATE TABLE activity (id text, unit char(10), name text, course text, signature char(4));
INSERT INTO activity VALUES ('k-1', 'A', 'Matematik 1', 'MATMAT01A', 'LLL'), ('k-2', 'B', 'Matematik 1', 'MATMAT01A', 'LLL');

CREATE VIEW school_units AS SELECT id, name, code AS school_unit_code, 'GR, GY' AS school_types, active FROM unit;
CREATE VIEW persons AS SELECT * FROM (VALUES
  ('p-1', '18900101-9802', 'Testa', 'Åkesdotter', 'testa@prov.example', 'N', 'S'),
  ('p-2', NULL, 'Okänd', 'Skyddsson', NULL, 'J', 'S'),
  ('t-1', '188505059801', 'Läran', 'Lärarsson', 'laran@prov.example', 'N', 'E'),
  ('t-2', NULL, 'Lina', 'Lärarsson', NULL, 'N', 'E')
) AS q (id, civic_no, given_name, family_name, email, protected, kind);
CREATE VIEW enrolments AS SELECT * FROM (VALUES
  ('p-1', 'A         ', 'GY', '1', '20260817', '99991231'),
  ('p-1', 'B         ', 'GY', '1', '20250818', '20260612'),
  ('p-2', 'A         ', 'GY', '1', '20260817', '20991231')
) AS q (person_id, school_unit_id, school_type, school_year, start_date, end_date);
CREATE VIEW duties AS SELECT id AS person_id, unit AS school_unit_id, 'Lärare' AS duty_role, signature, DATE '2024-08-12' AS start_date FROM teacher;
CREATE VIEW groups AS SELECT id, unit AS school_unit_id, name, 'Undervisning' AS group_type, 'GY' AS school_type, course AS course_code, DATE '2026-08-17' AS start_date FROM activity;
CREATE VIEW memberships AS SELECT a.id AS group_id, t.id AS person_id, 'T' AS role FROM activity a JOIN teacher t USING (unit, signature)
  UNION ALL SELECT 'k-1', 'p-1', 'S';

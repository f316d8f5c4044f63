CREATE TABLE enhet (id int, namn text, omrade text);
INSERT INTO enhet VALUES (12, 'Provskolan', 'r-1');
CREATE TABLE enhet_skolform (enhet int, skolform text, skolenhetskod text);
INSERT INTO enhet_skolform VALUES (12, 'GR', '00000001'), (12, 'FTH', '00000002');
CREATE TABLE elev (id uuid, enhet int, skolform text, arskurs int, klass text, fran date, till date);
INSERT INTO elev VALUES
  ('1f000000-0000-4000-8000-000000000001', 12, 'GR', 3, 'k-3a', '2026-08-17', NULL),
  ('1f000000-0000-4000-8000-000000000001', 12, 'FTH', NULL, 'avd-1', '2026-08-17', NULL),
  ('1f000000-0000-4000-8000-000000000002', 12, 'GR', 3, 'k-3a', '2026-08-17', '2099-12-31');
CREATE TABLE tjanst (id uuid, enhet int, skolform text, kategori text);
INSERT INTO tjanst VALUES ('1f000000-0000-4000-8000-000000000011', 12, 'GR', 'Lärare'), ('1f000000-0000-4000-8000-000000000012', 12, 'FTH', 'Fritidspedagog');
CREATE TABLE klass (id text, enhet int, skolform text, namn text, sort text);
INSERT INTO klass VALUES ('k-3a', 12, 'GR', '3A', 'Klass'), ('avd-1', 12, 'FTH', 'Solen', 'Avdelning');
CREATE TABLE elev_grupp (grupp text, elev uuid, fran date);
INSERT INTO klass VALUES ('g-8', 12, 'GR', 'Engelska 3', 'Grupp');
INSERT INTO elev_grupp VALUES ('g-8', '1f000000-0000-4000-8000-000000000002', '2026-09-01');
CREATE TABLE lararaktivitet (larare uuid, klass text, grupp text, amne text); -- of a class, or of a group
INSERT INTO lararaktivitet VALUES
  ('1f000000-0000-4000-8000-000000000011', 'k-3a', NULL, 'GRGRMAT01'),
  ('1f000000-0000-4000-8000-000000000011', 'k-3a', NULL, 'GRGRSVE01'),
  ('1f000000-0000-4000-8000-000000000011', NULL, 'g-8', 'GRGRENG01');

CREATE VIEW school_units AS SELECT 'r-1' AS id, 'Rektorsområde Norr' AS name, NULL AS school_unit_code, NULL AS org_id, NULL AS school_types, 'Skola' AS unit_type
  UNION ALL SELECT e.id || '/' || s.skolform, e.namn, s.skolenhetskod, e.omrade, s.skolform, 'Skolenhet' FROM enhet e JOIN enhet_skolform s ON s.enhet = e.id;
CREATE VIEW persons AS SELECT * FROM (VALUES
  ('1f000000-0000-4000-8000-000000000001'::uuid, '189001019802', 'Testa', 'Åkesdotter', NULL, 0),
  ('1f000000-0000-4000-8000-000000000002', NULL, 'Prova', 'Örnsson', 'prova@elev.prov.example', 0),
  ('1f000000-0000-4000-8000-000000000011', '188505059801', 'Läran', 'Lärarsson', 'laran@prov.example', 0),
  ('1f000000-0000-4000-8000-000000000012', NULL, 'Fritz', 'Fritidsson', NULL, 0),
  ('1f000000-0000-4000-8000-000000000013', NULL, 'Före', 'Detta', NULL, 0)
) AS q (id, civic_no, given_name, family_name, email, protected);
CREATE VIEW enrolments AS SELECT id AS person_id, enhet || '/' || skolform AS school_unit_id, skolform AS school_type, arskurs AS school_year, fran AS start_date, till AS end_date FROM elev;
CREATE VIEW duties AS SELECT id AS person_id, enhet || '/' || skolform AS school_unit_id, kategori AS duty_role, DATE '2024-08-12' AS start_date FROM tjanst;
-- A class and a group have their own members, and a teacher activity has those of its class or group, and the teacher.
CREATE VIEW medlem AS SELECT klass AS i, id AS elev, fran FROM elev UNION ALL SELECT grupp, elev, fran FROM elev_grupp;
CREATE VIEW aktivitet AS SELECT DISTINCT coalesce(klass, grupp) AS i, amne, larare FROM lararaktivitet;
CREATE VIEW groups AS SELECT id, enhet || '/' || skolform AS school_unit_id, namn AS name, sort AS group_type, skolform AS school_type, NULL AS subject_code FROM klass
  UNION ALL SELECT DISTINCT k.id || '/' || a.amne, k.enhet || '/' || k.skolform, k.namn || ' ' || a.amne, 'Grupp', k.skolform, a.amne FROM aktivitet a JOIN klass k ON k.id = a.i;
CREATE VIEW memberships AS SELECT i AS group_id, elev AS person_id, 'S' AS role, fran AS start_date FROM medlem
  UNION ALL SELECT DISTINCT a.i || '/' || a.amne, m.elev, 'S', m.fran FROM aktivitet a JOIN medlem m ON m.i = a.i
  UNION ALL SELECT i || '/' || amne, larare, 'T', NULL FROM aktivitet
  UNION ALL SELECT 'k-3a', '1f000000-0000-4000-8000-0000000000ff', 'S', NULL;

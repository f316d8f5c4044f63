-- Tables that we made up: those of Extens are not public.
CREATE TABLE enhet (id char(10), namn text, kod text, aktiv int, till_lms char(1), start date, slut date);
INSERT INTO enhet VALUES
  ('A', 'Provskolan', '00000001', 1, 'Y', '2020-08-01', NULL),
  ('B', 'Nedlagda skolan', '00000002', 0, 'Y', '2020-08-01', NULL),
  ('C', 'Skolan utan LMS', '00000003', 1, 'N', '2020-08-01', NULL),
  ('D', 'Skolan utan start', '00000004', 1, 'Y', NULL, NULL),
  ('E', 'Skolan som var', '00000005', 1, 'Y', '2020-08-01', '2025-06-30');
CREATE TABLE person (id char(10), personnr text, fornamn text, efternamn text, epost text, skyddad char(1), utland char(1), slag char(1));
INSERT INTO person VALUES
  ('p-1', '189001019802', 'Testa', 'Åkesdotter', 'testa@prov.example', 'N', 'N', 'S'),
  ('p-2', NULL, 'Utta', 'Landsson', 'utta@prov.example', 'N', 'J', 'S'),
  ('p-3', NULL, 'Okänd', 'Skyddsson', NULL, 'J', 'N', 'S'),
  ('p-4', NULL, 'Borta', 'Skyddsson', NULL, 'J', 'J', 'S'),
  ('p-5', NULL, 'Slutat', 'Provsson', NULL, 'N', 'N', 'S'),
  ('p-6', NULL, 'Börjar', 'Provsson', 'borjar@prov.example', 'N', 'N', 'S'),
  ('p-7', NULL, 'Fel', 'Skolsson', NULL, 'N', 'N', 'S'),
  ('p-8', NULL, 'Utan', 'Uppgiftsson', 'utan@prov.example', 'N', NULL, 'S'),
  ('t-1', '188505059801', 'Läran', 'Lärarsson', 'laran@prov.example', 'N', 'N', 'E');
CREATE TABLE placering (person char(10), enhet char(10), skolform text, arskurs int, start date, slut date);
INSERT INTO placering VALUES
  ('p-1', 'A', 'GY', 1, '2026-08-17', NULL),
  ('p-1', 'A', 'GY', 2, NULL, NULL),
  ('p-2', 'A', 'GY', 1, '2026-08-17', NULL),
  ('p-3', 'A', 'GY', 1, '2026-08-17', NULL),
  ('p-4', 'A', 'GY', 1, '2026-08-17', NULL),
  ('p-5', 'A', 'GY', 1, '2025-08-18', '2026-06-12'),
  ('p-6', 'A', 'GY', 1, '2026-11-02', NULL),
  ('p-7', 'C', 'GY', 1, '2026-08-17', NULL),
  ('p-8', 'A', 'GY', 1, '2026-08-17', NULL);
CREATE TABLE anstallning (person char(10), enhet char(10), signatur char(4), start date, slut date);
INSERT INTO anstallning VALUES ('t-1', 'A', 'LLL', '2024-08-12', NULL), ('t-1', 'B', 'LLL', '2024-08-12', NULL);
CREATE TABLE elevaktivitet (person char(10), enhet char(10), kurs text, grupp text, betygsign char(4), start date, slut date);
INSERT INTO elevaktivitet VALUES
  ('p-1', 'A', 'MATMAT01A', 'MA1a', 'LLL', '2026-09-01', '2027-06-11'),
  ('p-2', 'A', 'MATMAT01A', 'MA1a', 'LLL', '2026-08-17', '2027-06-11'),
  ('p-6', 'A', 'MATMAT01A', 'MA1a', 'LLL', '2026-11-02', '2027-06-11'),
  ('p-1', 'A', 'SVESVE01A', 'SV1 utan lärare', NULL, '2026-08-17', '2027-06-11'),
  ('p-1', 'A', 'ENGENG01A', 'EN1 utan slut', 'LLL', '2026-08-17', NULL),
  ('p-7', 'C', 'MATMAT01A', 'MA1c', 'LLL', '2026-08-17', '2027-06-11');

CREATE VIEW persons AS SELECT * FROM (VALUES
  ('7b000000-0000-4000-8000-000000000011', '189001019802', 'testa@prov.example', 'tesake', 'testa@prov.example'),
  ('A-4711', NULL, 'laran@prov.example', NULL, NULL),
  ('A-4712', NULL, NULL, NULL, NULL)
) AS q (id, civic_no, email, username, eppn);

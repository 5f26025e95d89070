-- Run after replit.sql: the names that the leads had before.
ALTER TABLE business_leads RENAME COLUMN client_id TO client_business_id;
ALTER TABLE business_leads RENAME COLUMN search_id TO lead_search_id;
ALTER TABLE leads_searches RENAME COLUMN client_id TO client_business_id;
ALTER TABLE leads_search_schedules RENAME COLUMN client_id TO client_business_id;
ALTER TABLE leads_swot_analyses RENAME COLUMN client_id TO client_business_id;
ALTER TABLE business_leads RENAME TO leads;
ALTER TABLE leads_clients RENAME TO client_businesses;
ALTER TABLE leads_searches RENAME TO lead_searches;
ALTER TABLE leads_search_schedules RENAME TO lead_search_schedules;
ALTER TABLE leads_swot_analyses RENAME TO swot_analyses;

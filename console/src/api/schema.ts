// Made from the OpenAPI document by `python -m scripts.make_console_types`.

export interface Answer {
  id: string;
  answer: string;
  model: string;
  finish_reason: "stop" | "length" | "no_evidence";
  citations: Citation[];
  sources: Source[];
  cache: Cache;
  usage: AnswerUsage;
  timings_ms: Record<string, number>;
}

export interface AnswerUsage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  embedding_tokens: number;
  cost_usd: string | null;
  saved_usd: string;
}

export interface AuditEntry {
  id: string;
  at: string;
  actor: string;
  action: string;
  target: string;
  tenant_id: string | null;
  details: Record<string, unknown>;
  request_id: string | null;
}

export interface AuditPage {
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  data: AuditEntry[];
}

export interface Budget {
  usd: string;
  period: "day" | "month";
  on_outage: "refuse" | "allow";
}

export interface BudgetBody {
  usd: number | string;
  period: "day" | "month";
  on_outage?: "refuse" | "allow";
}

export interface Cache {
  status: "miss" | "exact" | "semantic" | "shared";
  age_seconds: number | null;
  similarity: number | null;
}

export interface ChatBody {
  messages: ChatMessage[];
  model: string;
  stream?: boolean;
  stream_options?: StreamOptions | null;
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  n?: number | null;
  cache?: "use" | "bypass" | "refresh";
}

export interface ChatMessage {
  role: "system" | "developer" | "user" | "assistant";
  content: string | TextPart[];
}

export interface Chunk {
  id: string;
  ordinal: number;
  text: string;
  start: number;
  end: number;
  heading: string;
  page: number | null;
}

export interface ChunkPage {
  version: number;
  data: Chunk[];
  has_more: boolean;
}

export interface Chunking {
  chunking: string;
  left: number;
  waiting: number;
  failed: number;
}

export interface Citation {
  index: number;
  chunk_id: string;
  document_id: string;
  title: string;
  page: number | null;
  heading: string;
  start: number;
  end: number;
  quote: string;
}

export interface DeadJob {
  id: string;
  kind: string;
  tenant_id: string;
  document_id: string;
  version: number;
  attempts: number;
  reason: string;
  created_at: string;
  died_at: string;
}

export interface DeadJobPage {
  data: DeadJob[];
  has_more: boolean;
}

export interface Document {
  id: string;
  status: "queued" | "processing" | "ready" | "failed";
  title: string;
  media_type: string;
  bytes: number;
  chunks: number;
  version: number;
  error: string | null;
  progress: number;
  created_at: string;
  updated_at: string;
  metadata: Record<string, unknown>;
  groups: string[];
}

export interface DocumentPage {
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  data: Document[];
}

export interface Embedder {
  identity: string;
  tenants: Record<string, number>;
  tenants_left: number;
}

export interface EmbeddingsBody {
  input: string | string[];
  model: string;
  encoding_format?: "float" | "base64";
  dimensions?: number | null;
  input_type?: "document" | "query";
}

export interface Erasure {
  id: string;
  tenant_id: string;
  document_id: string | null;
  status: "running" | "leftovers" | "done";
  found: Record<string, number>;
  left: Record<string, number>;
  created_at: string;
  updated_at: string;
}

export interface ErasurePage {
  first_id: string | null;
  last_id: string | null;
  has_more: boolean;
  data: Erasure[];
}

export interface Failure {
  at: string;
  request_id: string;
  method: string;
  route: string;
  status: number;
  error: string | null;
  tenant_id: string | null;
  ms: number;
}

export interface FailureList {
  data: Failure[];
}

export interface FeedbackBody {
  id: string;
  rating: "positive" | "negative";
}

export interface HTTPValidationError {
  detail?: ValidationError[];
}

export interface Hits {
  hits: Source[];
}

export interface Key {
  id: string;
  tenant_id: string | null;
  name: string;
  prefix: string;
  scopes: ("query" | "search" | "documents:read" | "documents:write" | "usage:read" | "admin")[];
  groups: string[];
  limits: Limits;
  budget: Budget | null;
  expires_at: string | null;
  last_used_at: string | null;
  created_at: string;
  replaced_by: string | null;
}

export interface KeyChange {
  budget?: BudgetBody | null;
  limits?: LimitsBody | null;
  name?: string | null;
  scopes?: ("query" | "search" | "documents:read" | "documents:write" | "usage:read")[] | null;
  groups?: string[] | null;
  expires_at?: string | null;
}

export interface KeyList {
  data: Key[];
}

export interface Limits {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent_requests: number | null;
}

export interface LimitsBody {
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
  concurrent_requests?: number | null;
}

export interface Move {
  id: string;
  tenant_id: string;
  isolation: "shared" | "collection" | "dedicated";
  server: string | null;
  embedder: string;
  status: "queued" | "copying" | "switching" | "clearing" | "done" | "failed";
  progress: number;
  report: Record<string, unknown>;
  error: string | null;
  created_at: string;
  updated_at: string;
}

export interface MoveList {
  data: Move[];
}

export interface NewKey {
  id: string;
  tenant_id: string | null;
  name: string;
  prefix: string;
  scopes: ("query" | "search" | "documents:read" | "documents:write" | "usage:read" | "admin")[];
  groups: string[];
  limits: Limits;
  budget: Budget | null;
  expires_at: string | null;
  last_used_at: string | null;
  created_at: string;
  replaced_by: string | null;
  secret: string;
}

export interface NewKeyBody {
  budget?: BudgetBody | null;
  limits?: LimitsBody | null;
  name?: string;
  scopes?: ("query" | "search" | "documents:read" | "documents:write" | "usage:read")[] | null;
  groups?: string[];
  expires_at?: string | null;
}

export interface NewMove {
  isolation: "shared" | "collection" | "dedicated";
  server?: string | null;
}

export interface NewTenant {
  budget?: BudgetBody | null;
  limits?: TenantLimitsBody | null;
  name: string;
  isolation?: "shared" | "collection" | "dedicated";
  server?: string | null;
}

export interface QueryBody {
  question: string;
  stream?: boolean;
  top_k?: number;
  filter?: Record<string, unknown> | null;
  model?: string | null;
  max_tokens?: number;
  cache?: "use" | "bypass" | "refresh";
  on_disconnect?: "cancel" | "detach";
}

export interface Readiness {
  status: "ready" | "not ready";
  faults: Record<string, string>;
}

export interface Recut {
  chunking: string;
  left: number;
  waiting: number;
  failed: number;
  queued: number;
}

export interface Replica {
  id: string;
  host: string | null;
  pid: number | null;
  version: string | null;
  started_at: string | null;
  answers_this: boolean;
}

export interface ReplicaList {
  data: Replica[];
}

export interface Rotation {
  overlap_seconds?: number;
}

export interface SearchBody {
  query: string;
  top_k?: number;
  filter?: Record<string, unknown> | null;
}

export interface Source {
  chunk_id: string;
  document_id: string;
  title: string;
  text: string;
  score: number;
  page: number | null;
  heading: string;
  start: number;
  end: number;
  metadata: Record<string, unknown>;
}

export interface StreamOptions {
  include_usage?: boolean;
}

export interface Tenant {
  id: string;
  name: string;
  isolation: "shared" | "collection" | "dedicated";
  server: string | null;
  embedder: string;
  limits: TenantLimits;
  budget: Budget | null;
  status: "active" | "suspended" | "erasing";
  log_content: boolean;
  semantic_cache: "off" | "strict" | "relaxed";
  created_at: string;
  updated_at: string;
}

export interface TenantChange {
  budget?: BudgetBody | null;
  limits?: TenantLimitsBody | null;
  name?: string | null;
  status?: "active" | "suspended" | null;
  log_content?: boolean | null;
  semantic_cache?: "off" | "strict" | "relaxed" | null;
}

export interface TenantLimits {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrent_requests: number | null;
  documents?: number | null;
  bytes?: number | null;
  chunks?: number | null;
  queued_documents?: number | null;
  concurrent_documents?: number | null;
}

export interface TenantLimitsBody {
  requests_per_minute?: number | null;
  tokens_per_minute?: number | null;
  concurrent_requests?: number | null;
  documents?: number | null;
  bytes?: number | null;
  chunks?: number | null;
  queued_documents?: number | null;
  concurrent_documents?: number | null;
}

export interface TenantList {
  data: Tenant[];
}

export interface TextPart {
  type: "text";
  text: string;
}

export interface UsageReport {
  data: UsageRow[];
}

export interface UsageRow {
  start: string;
  tenant_id?: string | null;
  model?: string | null;
  key_id?: string | null;
  requests: number;
  cache_hits: number;
  unfinished: number;
  unpriced: number;
  prompt_tokens: number;
  completion_tokens: number;
  embedding_tokens: number;
  cost_usd: string;
  saved_usd: string;
}

export interface ValidationError {
  loc: (string | number)[];
  msg: string;
  type: string;
  input?: unknown;
  ctx?: Record<string, unknown>;
}

export interface Routes {
  "POST /v1/query": { query: undefined; body: QueryBody; response: Answer };
  "POST /v1/search": { query: undefined; body: SearchBody; response: Hits };
  "GET /v1/query/{answer_id}/events": { query: undefined; body: undefined; response: unknown };
  "POST /v1/feedback": { query: undefined; body: FeedbackBody; response: unknown };
  "POST /v1/documents/bulk": { query: undefined; body: undefined; response: unknown };
  "GET /v1/documents/{document_id}/events": { query: undefined; body: undefined; response: unknown };
  "POST /v1/documents/{document_id}/cancel": { query: undefined; body: undefined; response: unknown };
  "POST /v1/documents": { query: { wait?: number; }; body: Record<string, unknown>; response: Document };
  "GET /v1/documents": { query: { limit?: number; after?: string | null; }; body: undefined; response: DocumentPage };
  "GET /v1/documents/{document_id}": { query: { wait?: number; }; body: undefined; response: Document };
  "DELETE /v1/documents/{document_id}": { query: undefined; body: undefined; response: unknown };
  "GET /v1/chunks": { query: { document_id: string; first?: number; limit?: number; }; body: undefined; response: ChunkPage };
  "GET /v1/usage": { query: { start?: string | null; end?: string | null; bucket?: "hour" | "day"; }; body: undefined; response: UsageReport };
  "POST /v1/chat/completions": { query: undefined; body: ChatBody; response: unknown };
  "POST /v1/embeddings": { query: undefined; body: EmbeddingsBody; response: unknown };
  "GET /v1/models": { query: undefined; body: undefined; response: unknown };
  "GET /v1/models/{model}": { query: undefined; body: undefined; response: unknown };
  "GET /admin/tenants": { query: undefined; body: undefined; response: TenantList };
  "POST /admin/tenants": { query: undefined; body: NewTenant; response: Tenant };
  "GET /admin/tenants/{tenant_id}": { query: undefined; body: undefined; response: Tenant };
  "PATCH /admin/tenants/{tenant_id}": { query: undefined; body: TenantChange; response: Tenant };
  "DELETE /admin/tenants/{tenant_id}": { query: { wait?: number; }; body: undefined; response: unknown };
  "DELETE /admin/tenants/{tenant_id}/cache": { query: undefined; body: undefined; response: unknown };
  "POST /admin/tenants/{tenant_id}/moves": { query: undefined; body: NewMove; response: Move };
  "GET /admin/tenants/{tenant_id}/moves": { query: undefined; body: undefined; response: MoveList };
  "GET /admin/tenants/{tenant_id}/moves/{move_id}": { query: undefined; body: undefined; response: Move };
  "GET /admin/erasures": { query: { tenant_id?: string | null; limit?: number; after?: string | null; }; body: undefined; response: ErasurePage };
  "GET /admin/erasures/{erasure_id}": { query: undefined; body: undefined; response: Erasure };
  "GET /admin/dead-jobs": { query: { tenant_id?: string | null; limit?: number; after?: string | null; }; body: undefined; response: DeadJobPage };
  "POST /admin/dead-jobs/{job_id}/retry": { query: undefined; body: undefined; response: unknown };
  "GET /admin/failures": { query: { limit?: number; }; body: undefined; response: FailureList };
  "GET /admin/embedder": { query: undefined; body: undefined; response: Embedder };
  "GET /admin/tenants/{tenant_id}/chunking": { query: undefined; body: undefined; response: Chunking };
  "POST /admin/tenants/{tenant_id}/chunking": { query: { limit?: number; }; body: undefined; response: Recut };
  "POST /admin/isolation-check": { query: undefined; body: undefined; response: unknown };
  "GET /admin/replicas": { query: undefined; body: undefined; response: ReplicaList };
  "POST /admin/tenants/{tenant_id}/keys": { query: undefined; body: NewKeyBody; response: NewKey };
  "GET /admin/tenants/{tenant_id}/keys": { query: undefined; body: undefined; response: KeyList };
  "PATCH /admin/keys/{key_id}": { query: undefined; body: KeyChange; response: Key };
  "DELETE /admin/keys/{key_id}": { query: undefined; body: undefined; response: unknown };
  "POST /admin/keys/{key_id}/rotate": { query: undefined; body: Rotation | null; response: NewKey };
  "GET /admin/audit": { query: { limit?: number; after?: string | null; tenant_id?: string | null; }; body: undefined; response: AuditPage };
  "GET /admin/usage": { query: { start?: string | null; end?: string | null; bucket?: "hour" | "day"; group_by?: "tenant" | "model" | "key" | "none"; }; body: undefined; response: UsageReport };
  "GET /admin/tenants/{tenant_id}/usage": { query: { start?: string | null; end?: string | null; bucket?: "hour" | "day"; group_by?: "tenant" | "model" | "key" | "none"; }; body: undefined; response: UsageReport };
  "GET /livez": { query: undefined; body: undefined; response: Record<string, string> };
  "GET /readyz": { query: undefined; body: undefined; response: Readiness };
  "GET /metrics": { query: undefined; body: undefined; response: unknown };
}

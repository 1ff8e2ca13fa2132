// What a site's agent says of itself, beside the epochs: which epoch it knows, what it did, and when it looked last.
import type { Services, Verdict } from './agent.ts';
import { canonicalJson } from './json.ts';

export interface AgentReport {
  readonly format: 1;
  readonly platform: string;
  readonly site: string;
  /** ISO time by the site's clock. */
  readonly at: string;
  readonly epoch: number;
  readonly services: Services;
  readonly act: Verdict['act'];
  readonly why: string;
  /** What is wrong, in words; null when nothing is. */
  readonly trouble: string | null;
}

export const agentReportName = (site: string): string => `${site}.json`;

export const formatAgentReport = (report: AgentReport): string => `${canonicalJson({ ...report })}\n`;

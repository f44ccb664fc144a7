/** The part of the untyped npm package `dhcp` that npm-client.mjs uses. */
declare module 'dhcp' {
  type Message = { yiaddr: string; options: Record<number, string | number | string[]> };
  type Client = {
    on(event: 'message', listener: (message: Message) => void): void;
    on(event: 'error', listener: (error: Error) => void): void;
    on(event: 'listening', listener: () => void): void;
    listen(): void;
    sendDiscover(): void;
  };
  const dhcp: { createClient(options: { mac: string }): Client };
  export default dhcp;
}

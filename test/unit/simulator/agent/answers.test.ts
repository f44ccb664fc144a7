import { describe, it, expect } from '@jest/globals';
import { readAnswers } from '../../../../src/simulator/agent/answers.js';

const TOKEN = 'Ab3_x-0123456789abcdefghij';

describe('an installer reads', () => {
  it.each([
    [
      'a preseed',
      `d-i netcfg/get_hostname string n1\nd-i preseed/late_command string in-target wget -q --header="Authorization: Bearer ${TOKEN}" --post-data='' http://127.0.0.1:8191/node/7/bootenv-local`,
      'n1',
    ],
    ['a kickstart', `network --bootproto=dhcp --hostname=n1\n%post\ncurl -fsS -X POST http://127.0.0.1:8191/node/7/bootenv-local/${TOKEN}\n%end`, 'n1'],
    [
      'user-data',
      `#cloud-config\nautoinstall:\n  identity:\n    hostname: n1\n  late-commands:\n    - curl -d "token=${TOKEN}" http://127.0.0.1:8191/node/7/bootenv-local`,
      'n1',
    ],
  ])('%s', (_, text, hostname) => {
    expect(readAnswers(text)).toEqual({ nodeUrl: 'http://127.0.0.1:8191/node/7', installToken: TOKEN, hostname });
  });

  it.each([
    ['no callback', `Authorization: Bearer ${TOKEN}`, /callback/],
    ['no token', 'wget http://127.0.0.1:8191/node/7/bootenv-local', /token/],
    ['nothing', '', /callback/],
  ])('and says what is missing with %s', (_, text, problem) => {
    expect(readAnswers(text)).toEqual(expect.stringMatching(problem));
  });
});

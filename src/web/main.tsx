/**
 * The web interface. Pages read and act (pages/), components only draw (components/), the view model is pure (store/), and the
 * server is reached through src/client alone (api.ts, live.ts). Served by the API from dist/web, under a strict CSP.
 */
import './no-eval.js';
import { render } from 'preact';
import { App } from './app.js';
import './styles/tokens.css';
import './styles/base.css';
import './styles/header.css';
import './styles/fleet.css';
import './styles/matrix.css';
import './styles/panel.css';
import './styles/boot.css';
import './styles/plan.css';
import './styles/networks.css';
import './styles/boot-services.css';

const root = document.getElementById('app');
if (root !== null) render(<App />, root);
